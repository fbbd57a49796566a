import Store

extension DoctorFindings {
    /// Dead letters, and outlets that rest.
    mutating func look(atOutletsOf path: String) {
        do throws(StoreError) {
            let reader = try StreamReader(path: path)
            let bounds = try reader.bounds()
            let dead = try reader.deadLetterCounts().sorted { $0.key < $1.key }
            let outlets = try reader.outlets()
            let count = dead.reduce(0) { $0 + $1.value }
            add(
                "dead letters", count == 0,
                count == 0 ? "none" : dead.map { "\($0.key) \($0.value)" }.joined(separator: ", "),
                advice: "see why with 'patrol outlets show NAME', then 'retry' or 'drop' them")
            for outlet in outlets {
                guard let reason = outlet.paused else { continue }
                add(
                    "outlet", false, "\(outlet.name) rests (\(reason)), \(max(0, bounds.last - outlet.delivered)) events wait",
                    advice: "'patrol outlets resume \(outlet.name)' lets it go on")
            }
            add("stream", true, "\(bounds.last) events, \(max(0, bounds.last - bounds.first + 1)) kept")
        } catch {
            // The store itself is looked at by another finding.
        }
    }
}
