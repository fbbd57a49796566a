import CMosquitto
import Foundation
import GRDB
import Mosquitto
import Store

/// What `doctor` found, in the order of looking.
struct DoctorFindings {
    struct Finding {
        let name: String
        let isGood: Bool
        let text: String
    }

    private(set) var all: [Finding] = []

    private static let walAlarmBytes = 256 << 20
    private static let freeAlarmBytes: Int64 = 1 << 30
    private static let fileLimitLeast: UInt = 1024

    /// - Parameter advice: what to do where it is not good.
    mutating func add(_ name: String, _ isGood: Bool, _ text: String, advice: String = "") {
        all.append(Finding(name: name, isGood: isGood, text: isGood || advice.isEmpty ? text : "\(text): \(advice)"))
    }

    /// True when every reading is accounted for.
    mutating func look(atStore path: String) -> Bool {
        do throws(StoreError) {
            let reader = try StoreReader(path: path)
            try reader.checkVersion()
            let state = try reader.rows("SELECT input, clock FROM engine_state").rows[0]
            add("store", true, "\(path): \(state[0].integer) readings stored")
            let folder = (path as NSString).deletingLastPathComponent
            let isWritable = unsafe access(path, W_OK) == 0 && access(folder.isEmpty ? "." : folder, W_OK) == 0
            add("writable", isWritable, isWritable ? "this user may write it" : "this user may not write it",
                advice: "give it write permission on the file and its folder, or run as the user of 'patrol run'")
            let migrations = try reader.rows("SELECT identifier FROM grdb_migrations").rows.map { $0[0].text }
            add("migrations", !migrations.isEmpty, "at \(migrations.last ?? "none")", advice: "open it once with 'patrol run'")
            let damage = try reader.rows("PRAGMA quick_check(5)", seconds: 300).rows.map { $0[0].text }
            add("integrity", damage == ["ok"], damage == ["ok"] ? "the pages are sound" : damage.joined(separator: "; "),
                advice: "stop Patrol and restore a backup")
            let imbalances = try reader.imbalances()
            add("accounting", imbalances.isEmpty,
                imbalances.isEmpty ? "every reading is accounted for" : imbalances.joined(separator: "; "),
                advice: "rows were changed from outside, or this is a defect to report")
            let wal = (try? FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? Int) ?? 0
            add("log", wal < Self.walAlarmBytes, "write-ahead log \(wal >> 20) MB",
                advice: "a reader holds an old snapshot; end it")
            return imbalances.isEmpty
        } catch {
            add("store", false, error.description)
            return false
        }
    }

    mutating func look(atDiskOf path: String) {
        let folder = (path as NSString).deletingLastPathComponent
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: folder.isEmpty ? "." : folder)
        guard let free = (attributes?[.systemFreeSize] as? NSNumber)?.int64Value else { return }
        add("disk", free > Self.freeAlarmBytes, "\(free >> 20) MB free", advice: "make room; a full disk stops acknowledging")
    }

    mutating func look(atBroker url: String) {
        let answers = BrokerAddress(url: url).map { Port.answers(host: $0.host, port: Int($0.port)) } ?? false
        add("broker", answers, answers ? "\(url) answers" : "\(url) cannot be reached",
            advice: "start it (systemctl start mosquitto), or correct broker.url")
    }

    /// The broker does not tell its limits over MQTT, so its configuration is read where it is on this machine.
    /// - Parameter usesSystemBroker: whether Patrol takes from the broker that the system's configuration is for.
    mutating func lookAtBrokerLimits(beside path: String, usesSystemBroker: Bool) {
        let own = (path as NSString).deletingLastPathComponent + "/mosquitto/mosquitto.conf"
        let more = (try? FileManager.default.contentsOfDirectory(atPath: "/etc/mosquitto/conf.d")) ?? []
        let system = ["/etc/mosquitto/mosquitto.conf"] + more.sorted().map { "/etc/mosquitto/conf.d/" + $0 }
        let files = FileManager.default.isReadableFile(atPath: own) 
            ? [own] : usesSystemBroker ? system.filter { $0.hasSuffix(".conf") } : []
        var limits = ["max_inflight_messages": 20, "max_queued_messages": 1000]
        var isRead = false
        for file in files {
            guard let data = FileManager.default.contents(atPath: file) else { continue }
            isRead = true
            for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
                let words = line.split(separator: " ")
                if words.count == 2, limits[String(words[0])] != nil, let value = Int(words[1]) { limits[String(words[0])] = value }
            }
        }
        guard isRead, let inflight = limits["max_inflight_messages"], let queued = limits["max_queued_messages"] else { return }
        // 0 means without a limit.
        let isGood = (inflight == 0 || inflight >= 1000) && (queued == 0 || queued >= 100_000)
        add("broker limits", isGood, "mosquitto: \(inflight) in flight, \(queued) queued a client",
            advice: "beyond the queue mosquitto drops silently; take the values of Deploy/mosquitto/mosquitto.conf")
    }

    mutating func lookAtClock() {
        let year = Calendar(identifier: .gregorian).component(.year, from: Date())
        add("clock", year >= 2024, "\(Date())", advice: "set the clock; readings would be refused as of the future")
        guard let answer = output(of: "/usr/bin/timedatectl", ["show", "-p", "NTPSynchronized", "--value"]) else { return }
        if answer == "yes" || answer == "no" {
            add("clock sync", answer == "yes", answer == "yes" ? "synchronized" : "not synchronized",
                advice: "start a time service (timedatectl set-ntp true)")
        }
    }

    mutating func lookAtFileLimit() {
        var limit = rlimit()
        _ = unsafe getrlimit(__rlimit_resource_t(7), &limit)  // RLIMIT_NOFILE
        add("open files", limit.rlim_cur >= Self.fileLimitLeast, "\(limit.rlim_cur) allowed", advice: "raise it: ulimit -n 4096")
    }

    mutating func lookAtVersions() {
        var version: (Int32, Int32, Int32) = (0, 0, 0)
        _ = unsafe mosquitto_lib_version(&version.0, &version.1, &version.2)
        add("libmosquitto", version.0 >= 2, "\(version.0).\(version.1).\(version.2)", advice: "2.0 or later is needed")
        let sqlite = try? DatabaseQueue().read { try String.fetchOne($0, sql: "SELECT sqlite_version()") }
        add("SQLite", sqlite != nil, sqlite ?? "does not answer", advice: "install libsqlite3-0")
    }

    private func output(of path: String, _ arguments: [String]) -> String? {
        guard FileManager.default.isExecutableFile(atPath: path) else { return nil }
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return process.terminationStatus == 0
            ? String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines) : nil
    }
}
