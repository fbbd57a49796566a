import ArgumentParser
import Foundation
import Pipeline
import Settings
import Store
import Telemetry

struct DBCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "db", abstract: "Looks after the store: verify, backup, export, import, compact, shrink, stats.",
        subcommands: [
            VerifyCommand.self, BackupCommand.self, ExportCommand.self, ImportCommand.self, CompactCommand.self, ShrinkCommand.self, StatsCommand.self,
        ])
}

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Checks structure, accounting, and every rollup against the raw readings.",
        discussion: """
            Works on a copy in the store's folder (as much room as the store has is needed meanwhile), so that a running
            Patrol is not held up. Rollups are computed again in the copy, and what differs is told. The exit code is then 1.

            EXAMPLES
              patrol db verify --store data/patrol.db
            """)

    @Flag(help: "Structure and accounting only.") var quick = false
    @OptionGroup var options: StoreOptions

    func run() throws {
        let reader = try options.reader()
        // A running Patrol goes first.
        _ = nice(10)
        let problems = try Exit.onStoreFailure { () throws in quick ? try structure(reader) : try everything(reader) }
        for problem in problems { Output.line(problem) }
        if !problems.isEmpty { throw Exit.problems }
        Output.line(quick ? "structure and accounting are well" : "structure, accounting and rollups are well")
    }

    private func structure(_ reader: StoreReader) throws(StoreError) -> [String] {
        let damage = try reader.damage()
        return damage.isEmpty ? try reader.imbalances() + reader.segmentDamage() + reader.historyDamage() : damage
    }

    private func everything(_ reader: StoreReader) throws -> [String] {
        removeLeftCopies(of: reader.path)
        let copy = "\(reader.path).verify-\(getpid())"
        defer { StoreReader.remove(copy: copy) }
        let path = reader.path
        let (problems, copied) = try together(
            { () throws(StoreError) in try structure(reader) },
            { Result { () throws(StoreError) in try StoreReader(path: path).copyPages(to: copy) } })
        guard problems.isEmpty else { return problems }
        try copied.get()
        let result = try RollupRepair.run(storePath: copy, from: nil, isDurable: false)
        return try StoreReader(path: copy).rollupDifferences(from: reader.path, since: result.from)
    }

    /// Those of processes that were killed.
    private func removeLeftCopies(of path: String) {
        let folder = (path as NSString).deletingLastPathComponent
        let name = (path as NSString).lastPathComponent + ".verify-"
        for file in (try? FileManager.default.contentsOfDirectory(atPath: folder.isEmpty ? "." : folder)) ?? [] where file.hasPrefix(name) {
            guard let process = pid_t(file.dropFirst(name.count).prefix { $0.isNumber }) else { continue }
            if kill(process, 0) != 0 && errno == ESRCH { StoreReader.remove(copy: "\(path).verify-\(process)") }
        }
    }
}

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copies the store as of one moment, while Patrol runs, and checks the copy.",
        discussion: """
            EXAMPLES
              patrol db backup /backups/patrol-monday.db
            """)

    @Argument(help: "The copy; must not exist.") var file: String
    @OptionGroup var options: StoreOptions

    func run() throws {
        let reader = try options.reader()
        if FileManager.default.fileExists(atPath: file) { throw Exit.fail("\(file) exists already; name another file", Exit.usage) }
        let part = file + ".part"
        StoreReader.remove(copy: part)
        let damage = try Exit.onStoreFailure {
            do {
                try reader.backup(to: part)
            } catch {
                StoreReader.remove(copy: part)
                throw error
            }
            let copy = try StoreReader(path: part)
            return try copy.damage() + copy.imbalances()
        }
        if let first = damage.first {
            throw Exit.fail("the copy \(part) is not well: \(first); 'patrol db verify' says whether the store is", Exit.store)
        }
        do {
            try FileManager.default.moveItem(atPath: part, toPath: file)
        } catch {
            throw Exit.fail("\(part) could not be named \(file): \(error.localizedDescription)", Exit.store)
        }
        Output.line("\(file): copied and checked")
    }
}

struct StatsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Rows and bytes of each table.",
        discussion: """
            EXAMPLES
              patrol db stats --store data/patrol.db
            """)

    @Option(help: "table, csv or json.") var format = "table"
    @OptionGroup var options: StoreOptions

    func run() throws {
        Output.ignoreBrokenPipe()
        guard let format = OutputFormat(rawValue: format) else {
            throw Exit.fail("--format is table, csv or json, not '\(format)'", Exit.usage)
        }
        let reader = try options.reader()
        let (columns, rows) = try Exit.onStoreFailure { try reader.tableSizes() }
        RowPrinter(columns: columns, format: format, timezone: try MomentOption.zone("UTC")).print(rows)
    }
}

struct RepairCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Computes again what can be computed from the readings.",
        subcommands: [RepairRollupsCommand.self])
}

struct RepairRollupsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollups",
        abstract: "Computes minutes, hours and days again from the raw readings; Patrol must not run on the store.",
        discussion: """
            Days whose raw readings are past their retention stay as they are. Ended early, the next start goes on.

            EXAMPLES
              patrol repair rollups --store data/patrol.db
              patrol repair rollups --from 2024-06-01
            """)

    @Option(help: "From this local date on.") var from: String?
    @OptionGroup var options: StoreOptions

    func run() throws {
        let path = try options.path()
        let reader = try options.reader()
        let setting = try Exit.onStoreFailure { try reader.rollupSetting() }
        guard let zone = LocalZone(identifier: setting.zone) else {
            throw Exit.fail("this system knows no time zone '\(setting.zone)'", Exit.settings)
        }
        let start = try from.map { text in
            guard let period = LocalPeriod(
                text, zone: zone, now: Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)),
                dayStarts: setting.dayStarts, nightStarts: setting.nightStarts)
            else { throw Exit.fail("--from '\(text)' is no date; write for example 2024-06-01", Exit.usage) }
            return period.from
        }
        let result = try Exit.onStoreFailure { try RollupRepair.run(storePath: path, from: start) }
        let since = result.from.map { "from \(result.zone.day($0).text) on" } ?? "all"
        Output.line("rollups computed again from the raw readings: \(since)")
    }
}
