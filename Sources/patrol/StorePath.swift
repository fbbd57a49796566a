import ArgumentParser
import Foundation
import Settings
import Store
import Telemetry

/// Which store a command looks at.
struct StoreOptions: ParsableArguments {
    @Option(help: "The store. Without it: that of --config, $PATROL_STORE, ./patrol.yaml or ./patrol-data/patrol.db.")
    var store: String?
    @Option(help: "A settings file that names the store.") var config: String?

    static let settingsFile = "patrol.yaml"
    static let defaultStore = "patrol-data/patrol.db"

    func path() throws -> String {
        if let store { return store }
        if let config { return try Exit.onProblems { try Settings.load(path: config) }.storePath }
        if let named = ProcessInfo.processInfo.environment["PATROL_STORE"], !named.isEmpty { return named }
        if FileManager.default.fileExists(atPath: Self.settingsFile) {
            return try Exit.onProblems { try Settings.load(path: Self.settingsFile) }.storePath
        }
        return Self.defaultStore
    }

    /// The settings at hand: --config's, else those of ./patrol.yaml unless --store says otherwise.
    func settings() throws -> Settings? {
        if let config { return try Exit.onProblems { try Settings.load(path: config) } }
        guard store == nil, FileManager.default.fileExists(atPath: Self.settingsFile) else { return nil }
        return try Exit.onProblems { try Settings.load(path: Self.settingsFile) }
    }

    func reader() throws -> StoreReader {
        let path = try path()
        if path == Self.defaultStore && !FileManager.default.fileExists(atPath: path) {
            throw Exit.fail(
                """
                no store found. Tried: --store and --config (not given), $PATROL_STORE (not set), \
                ./\(Self.settingsFile) and ./\(Self.defaultStore) (not there). \
                Name one with --store PATH, or start 'patrol up' here first.
                """, Exit.store)
        }
        return try Exit.onStoreFailure {
            let reader = try StoreReader(path: path)
            try reader.checkVersion()
            return reader
        }
    }
}

/// A moment as people write it, relative to now: `10m`, `2h`, `2024-06-07`, `2024-06-07T22:00`, RFC 3339.
enum MomentOption {
    static func parse(_ text: String, timezone: TimeZone) throws -> Int64 {
        if let milliseconds = durationMilliseconds(text) {
            return Int64(Date().timeIntervalSince1970 * 1000) - milliseconds
        }
        if let milliseconds = Int64(text), milliseconds > 100_000_000_000 { return milliseconds }
        if let moment = Timestamp(rfc3339: text) { return moment.milliseconds }
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = timezone
        for format in ["yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd'T'HH:mm", "yyyy-MM-dd"] {
            formatter.dateFormat = format
            if let date = formatter.date(from: text) { return Int64((date.timeIntervalSince1970 * 1000).rounded()) }
        }
        throw Exit.fail("'\(text)' is no time: write 10m, 2h, 2024-06-07, 2024-06-07T22:00 or RFC 3339", Exit.usage)
    }

    static func zone(_ name: String) throws -> TimeZone {
        guard let zone = TimeZone(identifier: name) else {
            throw Exit.fail("no time zone is called '\(name)'; write for example Asia/Shanghai", Exit.usage)
        }
        return zone
    }
}
