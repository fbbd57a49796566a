import Telemetry

/// A GeoJSON file (RFC 7946) of features that each have some properties: what areas, sites and fences have in common.
///
/// Coordinates are WGS-84, longitude first. A file in GCJ-02 says so, `"datum": "GCJ-02"` beside `"type"`, and is
/// converted.
final class GeoJSONFile {
    struct Feature {
        /// Of the properties object, or of the feature where there is none.
        var offset: Int
        var properties: [String: JSONNode]
        /// Nil where the geometry is null or wrong; `hasGeometry` tells which.
        var place: Place?
        var hasGeometry: Bool
    }

    enum Datum: String, CaseIterable { case wgs84 = "WGS-84", gcj02 = "GCJ-02" }

    let path: String
    private(set) var problems: [Problem] = []
    private(set) var features: [Feature] = []
    private var text = ""
    private var datum = Datum.wgs84
    /// Offsets by line, for ``place(_:)``.
    private var lineStarts: [Int] = []

    /// - Parameters:
    ///   - properties: those that are read; others are left alone, unless one is nearly the name of one that is missing.
    ///   - allowsPoints: whether a feature may be a point.
    init(path: String, text given: String? = nil, what: String, properties: [String], allowsPoints: Bool) {
        self.path = path
        do throws(Problem) {
            if let given {
                text = given
            } else {
                text = try FileText.read(path, largestBytes: FileText.largestTableBytes, "a GeoJSON file")
            }
        } catch {
            problems = [error]
            return
        }
        lineStarts = [0]
        for (offset, byte) in text.utf8.enumerated() where byte == 0x0A { lineStarts.append(offset + 1) }
        let root: JSONNode
        do throws(JSONReader.Fault) {
            root = try JSONReader.read(text)
        } catch {
            problem(error.message, at: error.offset)
            return
        }
        readDatum(root)
        guard root["type"]?.text == "FeatureCollection", let list = root["features"], case .array(let nodes) = list.value else {
            problem("the file is a GeoJSON FeatureCollection: { \"type\": \"FeatureCollection\", \"features\": [ … ] }", at: root.offset)
            return
        }
        for node in nodes {
            if let feature = feature(node, what, properties, allowsPoints) { features.append(feature) }
        }
    }

    func problem(_ message: String, at offset: Int) {
        let place = place(offset)
        problems.append(Problem(path: path, line: place.line, column: place.column, message: message))
    }

    /// Line and column, in characters; both from 1.
    func place(_ offset: Int) -> (line: Int, column: Int) {
        var (low, high) = (0, lineStarts.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if lineStarts[middle] <= offset { low = middle } else { high = middle }
        }
        let utf8 = text.utf8
        let start = utf8.index(utf8.startIndex, offsetBy: lineStarts[low])
        let column = utf8[start...].prefix(offset - lineStarts[low]).count { $0 & 0xC0 != 0x80 }
        return (low + 1, column + 1)
    }

    private func readDatum(_ root: JSONNode) {
        if let crs = root["crs"] {
            problem("'crs' is not read (RFC 7946 has none): write \"datum\": \"WGS-84\" or \"GCJ-02\" instead", at: crs.offset)
        }
        guard let node = root["datum"] else { return }
        guard let name = node.text, let datum = Datum(rawValue: name) else {
            problem(
                "datum is one of WGS-84, GCJ-02, not '\(node.text ?? "?")'\(hint(node.text ?? "", among: Datum.allCases.map(\.rawValue)))",
                at: node.offset)
            return
        }
        self.datum = datum
    }

    private func feature(_ node: JSONNode, _ what: String, _ known: [String], _ allowsPoints: Bool) -> Feature? {
        guard node["type"]?.text == "Feature" else {
            problem("each member of 'features' is an object of type Feature", at: node.offset)
            return nil
        }
        var feature = Feature(offset: node.offset, properties: [:], place: nil, hasGeometry: false)
        if let node = node["properties"], case .object(let members) = node.value {
            feature.offset = node.offset
            for (key, offset, value) in members where !value.isNull {
                if known.contains(key) {
                    feature.properties[key] = value
                } else if let near = nearest(key, in: known), !members.contains(where: { $0.key == near }) {
                    problem("unknown property '\(key)' of \(what); did you mean '\(near)'?", at: offset)
                }
            }
        }
        guard let geometry = node["geometry"], !geometry.isNull else { return feature }
        feature.hasGeometry = true
        feature.place = place(geometry, what, allowsPoints)
        return feature
    }

    private func place(_ geometry: JSONNode, _ what: String, _ allowsPoints: Bool) -> Place? {
        let type = geometry["type"]?.text ?? "?"
        guard let coordinates = geometry["coordinates"], ["Polygon", "MultiPolygon"].contains(type) || allowsPoints && type == "Point"
        else {
            let allowed = (allowsPoints ? "Point, " : "") + "Polygon or MultiPolygon"
            problem("the geometry of \(what) is \(allowed) with coordinates, not '\(type)'", at: geometry.offset)
            return nil
        }
        if type == "Point" { return position(coordinates, mustBeOnEarth: true).map { .point($0) } }
        let nodes: [JSONNode]
        if type == "Polygon" {
            nodes = [coordinates]
        } else if case .array(let list) = coordinates.value {
            nodes = list
        } else {
            nodes = []
        }
        let before = problems.count
        let polygons = nodes.compactMap { polygon($0) }
        guard problems.count == before else { return nil }
        do throws(ShapeFault) {
            return .area(try Shape(polygons: polygons))
        } catch {
            problem(error.description, at: coordinates.offset)
            return nil
        }
    }

    private func polygon(_ node: JSONNode) -> Polygon? {
        guard case .array(let ringNodes) = node.value else {
            problem("a polygon is an array of rings", at: node.offset)
            return nil
        }
        var rings: [[Position]] = []
        var nodes: [[JSONNode]] = []
        for ring in ringNodes {
            guard case .array(let corners) = ring.value else {
                problem("a ring is an array of positions", at: ring.offset)
                return nil
            }
            var positions: [Position] = []
            for corner in corners {
                // One wrong corner is enough to know the ring.
                guard let position = position(corner, mustBeOnEarth: false) else { return nil }
                positions.append(position)
            }
            rings.append(positions)
            nodes.append(corners)
        }
        do throws(ShapeFault) {
            return try Polygon(rings: rings)
        } catch {
            let ring = nodes.indices.contains(error.ring) ? nodes[error.ring] : []
            let corner = error.corner.flatMap { ring.indices.contains($0) ? ring[$0].offset : nil }
            let ringNode = ringNodes.indices.contains(error.ring) ? ringNodes[error.ring].offset : node.offset
            problem(error.description, at: corner ?? ringNode)
            return nil
        }
    }

    private func position(_ node: JSONNode, mustBeOnEarth: Bool) -> Position? {
        guard case .array(let numbers) = node.value, numbers.count >= 2, case .number(let longitude) = numbers[0].value,
            case .number(let latitude) = numbers[1].value
        else {
            problem("a position is [longitude, latitude]", at: node.offset)
            return nil
        }
        var position = Position(latitude: latitude, longitude: longitude)
        if mustBeOnEarth && !position.isOnEarth {
            problem("no such place at longitude \(longitude), latitude \(latitude): longitude stands first in GeoJSON", at: node.offset)
            return nil
        }
        if datum == .gcj02 { position = ChinaDatum.wgs84(fromGCJ02: position) }
        return position
    }

    // MARK: Properties

    func needed(_ feature: Feature, _ name: String, _ what: String) -> String? {
        guard let node = feature.properties[name] else {
            problem("\(what) needs the property '\(name)'", at: feature.offset)
            return nil
        }
        let text = text(feature, name)
        if text == nil, node.text != nil { problem("the property '\(name)' is empty", at: node.offset) }
        return text
    }

    func text(_ feature: Feature, _ name: String) -> String? {
        guard let node = feature.properties[name] else { return nil }
        guard let text = node.text else {
            problem("the property '\(name)' is a text", at: node.offset)
            return nil
        }
        return text.isEmpty ? nil : text
    }
}
