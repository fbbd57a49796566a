import ArgumentParser
import Foundation
import Pipeline
import Settings
import Store
import Telemetry

struct CompactCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compact",
        abstract: "Packs old raw readings into compact history; Patrol must not run on the store.",
        discussion: """
            A running Patrol does this by itself (retention: { raw: 30d, compact: 365d }). Every block is read back and
            compared before its rows go. 'patrol query readings', 'db export', 'repair rollups' and 'rules backtest' read
            compact history like rows; the views noise, vehicle and bodycam do not hold it.

            EXAMPLES
              patrol db compact --store data/patrol.db
              patrol db compact --older-than 7d && patrol db shrink
            """)

    @Option(help: "Readings that are older, by the newest reading of the store: 30d, 12h.") var olderThan = "30d"
    @OptionGroup var options: StoreOptions

    func run() throws {
        guard let age = durationMilliseconds(olderThan) else {
            throw Exit.fail("--older-than is a duration such as 30d, not '\(olderThan)'", Exit.usage)
        }
        let path = try options.path()
        let clock = try Exit.onStoreFailure { try options.reader().rows("SELECT clock FROM engine_state").rows[0][0].integer }
        let before = Timestamp(milliseconds: max(clock - age, Timestamp.distantPast.milliseconds))
        let started = ContinuousClock.now
        let packed = try Exit.onStoreFailure { try HistoryAtRest.pack(storePath: path, before: before) }
        let seconds = Double((ContinuousClock.now - started).components.attoseconds) / 1e18 + Double((ContinuousClock.now - started).components.seconds)
        if packed == 0 { return Output.line("nothing to pack: rows are packed by the sixteen thousand, when all of them are old enough") }
        let reader = try options.reader()
        let bytes = try Exit.onStoreFailure {
            try reader.rows("SELECT sum(pgsize) FROM dbstat WHERE name = 'history_block' AND aggregate = TRUE", seconds: 600).rows[0][0].integer
        }
        let total = try Exit.onStoreFailure { try reader.rows("SELECT sum(gone_rows) FROM history_run").rows[0][0].integer }
        Output.line(
            String(
                format: "%d readings packed in %.2f s; compact history has %d readings in %.1f MB, %.2f B each", packed, seconds, total,
                Double(bytes) / 1e6, Double(bytes) / Double(max(1, total))))
    }
}

struct ShrinkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shrink",
        abstract: "Gives free space of the store back to the disk; Patrol must not run on the store.",
        discussion: """
            A running Patrol gives space back by itself, and keeps some for new rows.

            EXAMPLES
              patrol db shrink --store data/patrol.db
            """)

    @OptionGroup var options: StoreOptions

    func run() throws {
        let path = try options.path()
        _ = try options.reader()
        let (before, after) = try Exit.onStoreFailure { try HistoryAtRest.shrink(storePath: path) }
        Output.line(String(format: "%@: %.1f MB, before %.1f MB", path, Double(after) / 1e6, Double(before) / 1e6))
    }
}
