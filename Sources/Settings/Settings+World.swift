import Foundation
import Telemetry
import Yams

extension SettingsLoader {
    /// Everything the settings say about where and when; each file is checked against those before it.
    mutating func world(_ outside: [String: Node], _ settings: inout Settings) {
        var world = settings.world
        if let zone = LocalZone(identifier: settings.timezone) { world.zone = zone }
        if let path = file("limits", outside) { world.limits = take(LimitsFile.load(path: path)) }
        var areas: AreaTree?
        if let path = file("areas", outside) {
            let loaded = AreasFile.load(path: path)
            otherProblems += loaded.problems
            world.areas = loaded.value
            // After a fault there it would only be said again here.
            if loaded.problems.isEmpty { areas = loaded.value }
        }
        var sites: Sites?
        if let path = file("sites", outside) {
            let loaded = SitesFile.load(path: path, areas: areas)
            otherProblems += loaded.problems
            world.sites = loaded.value
            if loaded.problems.isEmpty { sites = loaded.value }
        }
        if let path = file("fences", outside) { world.fences = take(FencesFile.load(path: path)) }
        if let paths = paths("calendars", outside) {
            world.calendars = take(CalendarFile.load(paths: paths, zone: world.zone, night: world.limits.night))
        }
        if let path = file("permits", outside) {
            world.permits = take(PermitsFile.load(path: path, sites: sites, zone: world.zone))
        }
        if let path = file("devices", outside) {
            settings.devices = take(
                DevicesFile.load(path: path, known: DevicesFile.Known(areas: areas, sites: sites, zones: world.limits.zones)))
        }
        if let path = file("units", outside) {
            world.units = take(UnitsFile.load(path: path, areas: areas, devices: settings.devices, limits: world.limits))
        }
        if let path = file("dispatch", outside) {
            let loaded = DispatchFile.load(path: path, areas: areas, world: world)
            otherProblems += loaded.problems
            settings.dispatch = loaded.settings
        }
        if let path = file("matters", outside) {
            settings.dispatch.take(matters: take(MattersFile.load(path: path, areas: areas, zone: world.zone)))
        }
        settings.dispatch.fingerprint = fingerprint(["dispatch", "matters"].compactMap { outside[$0]?.string }.map(resolve))
        settings.world = world
    }

    /// Which files these are, by their bytes; empty for none.
    private func fingerprint(_ paths: [String]) -> String {
        if paths.isEmpty { return "" }
        let bytes = paths.map { FileManager.default.contents(atPath: $0).map { [UInt8]($0) } ?? [] }
        return String(Identifier.fnv1a(bytes.joined(separator: [0])), radix: 16)
    }

    private mutating func take<Value>(_ loaded: Loaded<Value>) -> Value {
        otherProblems += loaded.problems
        return loaded.value
    }

    /// The path of a file that a key names; nil, with a problem where it is named and not there.
    private func file(_ key: String, _ outside: [String: Node]) -> String? {
        guard let node = outside[key], let name = reader.text(node, key) else { return nil }
        let before = reader.problems.count
        mustExist(name, key, node)
        return reader.problems.count == before ? resolve(name) : nil
    }

    /// The paths that a key lists, or names; in a variable with commas between them.
    func paths(_ key: String, _ outside: [String: Node]) -> [String]? {
        guard let node = outside[key] else { return nil }
        if case .sequence(let list) = node { return list.compactMap { reader.text($0, key) }.map(resolve) }
        guard let name = reader.text(node, key) else { return nil }
        return (node.mark == nil ? name.split(separator: ",").map(String.init) : [name]).map(resolve)
    }
}
