import Telemetry

/// `areas.geojson`: code, name, level, parent; the geometry may be null.
enum AreasFile {
    private static let properties = ["code", "name", "level", "parent"]
    /// Levels in the words of the command chain too.
    private static let levels: [String: Area.Level] = [
        "city": .city, "district": .district, "town": .town, "village": .village, "grid": .grid,
        "市": .city, "区": .district, "镇街": .town, "村社": .village, "网格": .grid,
    ]

    static func load(path: String, text: String? = nil) -> Loaded<AreaTree> {
        let file = GeoJSONFile(path: path, text: text, what: "an area", properties: properties, allowsPoints: false)
        var areas: [Area] = []
        var offsets: [(code: Int, parent: Int, level: Int)] = []
        var seen: Set<String> = []
        for feature in file.features {
            let code = file.needed(feature, "code", "an area")
            if let code { seen.insert(Area.shortCode(code)) }
            let name = file.needed(feature, "name", "an area")
            let levelName = file.needed(feature, "level", "an area")
            let level = levelName.flatMap { levels[$0] }
            if let levelName, level == nil {
                file.problem(
                    "level is one of city, district, town, village, grid, not '\(levelName)'"
                        + hint(levelName, among: Area.Level.allCases.map(\.rawValue)),
                    at: feature.properties["level"]?.offset ?? feature.offset)
            }
            let parent = file.text(feature, "parent")
            if let level, level > .district, parent == nil {
                file.problem("a \(level) needs the property 'parent', the code of the area above it", at: feature.offset)
            }
            if let code, !isID(code) {
                file.problem("a code has \(idRule)", at: feature.properties["code"]?.offset ?? feature.offset)
            }
            guard let code, let name, let level else { continue }
            var shape: Shape?
            if case .area(let area) = feature.place { shape = area }
            areas.append(Area(code: code, name: name, level: level, parent: parent, shape: shape))
            func offset(_ name: String) -> Int { feature.properties[name]?.offset ?? feature.offset }
            offsets.append((offset("code"), offset("parent"), offset("level")))
        }
        do throws(AreaFaults) {
            return Loaded(try AreaTree(areas), file.problems)
        } catch {
            for (number, kind) in error.all {
                let (area, places) = (areas[number], offsets[number])
                switch kind {
                case .duplicate(let other):
                    let place = file.place(offsets[other].code)
                    file.problem("the code '\(area.code)' is taken by the area at \(path):\(place.line):\(place.column)", at: places.code)
                // Not for the parent's own fault.
                case .unknownParent where seen.contains(Area.shortCode(area.parent ?? "")): break
                case .unknownParent:
                    let parent = area.parent ?? ""
                    file.problem(
                        "no area has the code '\(parent)' (leave 'parent' out at the top)\(hint(parent, among: areas.map(\.code)))", at: places.parent)
                case .circle:
                    file.problem("the area '\(area.code)' lies below itself: its parents lead back to it", at: places.parent)
                case .level(let parent):
                    file.problem("a \(area.level) cannot lie below a \(parent): levels go city, district, town, village, grid", at: places.level)
                }
            }
            return Loaded(.empty, file.problems)
        }
    }
}

/// `sites.geojson`: id, name, kind, area; a point or an area.
enum SitesFile {
    private static let properties = ["id", "name", "kind", "area"]

    /// - Parameter areas: nil where there is no file of areas; nothing is asked then.
    static func load(path: String, text: String? = nil, areas: AreaTree?) -> Loaded<Sites> {
        let file = GeoJSONFile(path: path, text: text, what: "a site", properties: properties, allowsPoints: true)
        var sites: [Site] = []
        var taken = TakenNames("site")
        for feature in file.features {
            let id = file.id(feature, "a site", &taken)
            let name = file.text(feature, "name") ?? id ?? ""
            let kind = file.needed(feature, "kind", "a site")
            let area = file.text(feature, "area")
            if let area, let areas, let node = feature.properties["area"], areas.number(ofCode: area) == nil {
                file.problem("no area has the code '\(area)'\(hint(area, among: areas.areas.map(\.code)))", at: node.offset)
            }
            if !feature.hasGeometry { file.problem("the site has no geometry: a Point or a Polygon", at: feature.offset) }
            guard let id, let kind, let place = feature.place else { continue }
            sites.append(Site(id: id, name: name, kind: kind, area: area, place: place))
        }
        return Loaded(Sites(sites), file.problems)
    }
}

/// `fences.geojson`: id, name, kind, speed_limit_kmh; an area.
enum FencesFile {
    private static let properties = ["id", "name", "kind", "speed_limit_kmh"]

    static func load(path: String, text: String? = nil) -> Loaded<Fences> {
        let file = GeoJSONFile(path: path, text: text, what: "a fence", properties: properties, allowsPoints: false)
        var fences: [Fence] = []
        var taken = TakenNames("fence")
        for feature in file.features {
            let id = file.id(feature, "a fence", &taken)
            let name = file.text(feature, "name") ?? id ?? ""
            let kind = file.needed(feature, "kind", "a fence")
            var limit: Double?
            if let node = feature.properties["speed_limit_kmh"] {
                if case .number(let value) = node.value, value > 0, value <= 500 {
                    limit = value
                } else {
                    file.problem("speed_limit_kmh is a number over 0 and up to 500", at: node.offset)
                }
            }
            if !feature.hasGeometry { file.problem("the fence is empty: it has no geometry, so that nothing is ever inside", at: feature.offset) }
            guard let id, let kind, case .area(let shape) = feature.place else { continue }
            fences.append(Fence(id: id, name: name, kind: kind, speedLimitKilometresPerHour: limit, shape: shape))
        }
        return Loaded(Fences(fences), file.problems)
    }
}

/// What ids and codes may be: they stand in topics, addresses and tables.
func isID(_ text: String) -> Bool {
    (1...Limits.idBytes).contains(text.utf8.count)
        && !text.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) || "\"'+#/".unicodeScalars.contains($0) }
}

let idRule = "1 to \(Limits.idBytes) bytes without control characters, quotes, / + #"

/// Names that were given, with their places.
struct TakenNames {
    private let what: String
    private var places: [String: String] = [:]

    init(_ what: String) { self.what = what }

    /// What to say where the name is taken already; it is taken from now on.
    mutating func take(_ name: String, at place: String) -> String? {
        if let other = places[name] { return "the id '\(name)' is taken by the \(what) at \(other)" }
        places[name] = place
        return nil
    }
}

extension GeoJSONFile {
    /// The feature's id, checked; nil, with a problem, where it is none.
    func id(_ feature: Feature, _ what: String, _ taken: inout TakenNames) -> String? {
        guard let id = needed(feature, "id", what), let node = feature.properties["id"] else { return nil }
        guard isID(id) else {
            problem("an id has \(idRule)", at: node.offset)
            return nil
        }
        let place = place(node.offset)
        guard let message = taken.take(id, at: "\(path):\(place.line):\(place.column)") else { return id }
        problem(message, at: node.offset)
        return nil
    }
}
