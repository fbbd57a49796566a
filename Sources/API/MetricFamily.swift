/// A metric in the Prometheus text format 0.0.4 (Prometheus documentation, "Exposition formats").
public struct MetricFamily: Sendable {
    public enum Shape: String, Sendable { case counter, gauge, untyped }

    public struct Sample: Sendable {
        public var labels: [(name: String, value: String)]
        public var value: Double

        public init(labels: [(name: String, value: String)] = [], value: Double) {
            self.labels = labels
            self.value = value
        }
    }

    public var name: String
    public var shape: Shape
    public var help: String
    public var samples: [Sample]

    public init(name: String, shape: Shape, help: String, samples: [Sample]) {
        self.name = name
        self.shape = shape
        self.help = help
        self.samples = samples
    }

    /// HELP and TYPE, and a line a sample.
    public var text: String {
        var result = "# HELP \(name) \(MetricFamily.escaped(help, quotes: false))\n# TYPE \(name) \(shape.rawValue)\n"
        for sample in samples {
            let labels = sample.labels.map { "\($0.name)=\"\(MetricFamily.escaped($0.value, quotes: true))\"" }
            result += name + (labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}") + " \(MetricFamily.number(sample.value))\n"
        }
        return result
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map(String.init) ?? "\(value)"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
