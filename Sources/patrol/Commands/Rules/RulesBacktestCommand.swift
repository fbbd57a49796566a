import ArgumentParser
import Foundation
import Ingest
import Pipeline
import Rules
import Settings
import Store
import Telemetry

struct RulesBacktestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backtest",
        abstract: "What alerts rules would have raised over a store or a recording.",
        discussion: """
            The readings run through the same engine as live ones, in the order in which they came, with the clock of their
            arrival; rules that do not know of each other side by side. Nothing is written. Without a devices file in the settings the devices have no site, area or zone.

            EXAMPLES
              patrol rules backtest rules/ --from patrol.db --config patrol.yaml
              patrol rules backtest new.yaml --from last-month.db --against rules/
              patrol rules backtest rules/ --from meters.csv.gz --period 60s --format json
            """)

    @OptionGroup var sources: RuleSources
    @OptionGroup var source: ReadingSource
    @Option(help: "Other rules: what is new, gone and moved against them.") var against: [String] = []
    @Option(help: "table, or json: a line for each alert, then the summary.") var format = "table"

    func run() throws {
        Output.ignoreBrokenPipe()
        guard format == "table" || format == "json" else {
            throw Exit.fail("--format is table or json, not '\(format)'", Exit.usage)
        }
        let loaded = try sources.load()
        let others = against.isEmpty ? nil : try Exit.onProblems { try RuleFile.load(against, world: loaded.settings?.world) }
        let backtest = Backtest([loaded.rules] + (others.map { [$0] } ?? []), settings: loaded.settings, world: loaded.world)
        try source.forEach(backtest.take)
        let reports = zip(backtest.finish(), [loaded.rules] + (others.map { [$0] } ?? [])).map { BacktestReport($0, rules: $1, zone: loaded.world.zone) }
        let report = reports[0]
        let difference = reports.count > 1 ? BacktestDifference(report, reports[1]) : nil
        for line in format == "json" ? report.json + (difference?.json ?? []) : report.table + (difference?.table ?? []) {
            Output.line(line)
        }
    }
}

/// Where a backtest or an explanation takes its readings.
struct ReadingSource: ParsableArguments {
    @Option(help: "A store, or a recording (text or CSV, plain or gzip'd).") var from: String
    @Option(help: "CSV: the kind of the rows (noise, vehicle, bodycam).") var kind = "noise"
    @Option(help: "CSV: how long a reading holds, for example 60s.") var period: String?

    /// The readings as a store.
    func open() throws -> ReadingStore {
        try mustExist()
        if ReadingSource.isStore(from) { return ReadingStore(path: from, folder: nil) }
        return try read()
    }

    /// Gives all readings away, in the order in which they came.
    func forEach(_ body: @escaping @Sendable (AcceptedReadings) -> Void) throws {
        try mustExist()
        if !ReadingSource.isStore(from) { return try read(body).close() }
        try Exit.onStoreFailure {
            let run = try ReadingRun(path: from)
            var part = AcceptedReadings()
            part.devices = try run.devices()
            let progress = Progress("backtest")
            try run.forEach(
                damaged: { Exit.warn($0) }, contested: { part.contests.append((part.readings.count, $0)) }
            ) { reading, text in
                part.readings.append(copy reading)
                part.texts += text
                guard part.readings.count == ReadingSource.partReadings else { return }
                body(part)
                progress.add(part.readings.count)
                part = AcceptedReadings()
            }
            body(part)
            progress.end()
        }
    }

    private static let partReadings = 16_384

    private func mustExist() throws {
        guard FileManager.default.fileExists(atPath: from) else {
            throw Exit.fail("--from \(from): there is no such file", Exit.usage)
        }
    }

    /// A recording into a store of its own; who takes the readings away has no need of it.
    private func read(_ body: (@Sendable (AcceptedReadings) -> Void)? = nil) throws -> ReadingStore {
        var options = RecordingOptions()
        guard let kind = Kind(name: kind) else {
            throw Exit.fail("no kind '\(kind)'; there are \(Kind.allCases.map(\.name).joined(separator: ", "))", Exit.usage)
        }
        options.kind = kind
        if let period {
            guard let seconds = ReplayCommand.seconds(period) else {
                throw Exit.fail("--period \(period): write a number of seconds, for example 60s", Exit.usage)
            }
            options.period = seconds
        }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("patrol-backtest-\(UUID().uuidString)").path
        let store = ReadingStore(path: folder + "/readings.db", folder: folder)
        let isTerminal = isatty(2) == 1
        let result = try Exit.onStoreFailure {
            do {
                return try Replay.run(
                    recording: from, options: options, into: store.path, rules: RuleSet(), isScratch: true, readings: body
                ) { messages, _ in
                    guard isTerminal else { return }
                    FileHandle.standardError.write(Data("\rreading: \(messages / 1000) thousand messages".utf8))
                }
            } catch let error as RecordingError {
                store.close()
                throw Exit.fail(error.description, Exit.usage)
            }
        }
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        if result.problemCount > 0 {
            FileHandle.standardError.write(Data("\(result.problemCount) lines were no messages; the rest is read\n".utf8))
        }
        return store
    }

    private static func isStore(_ path: String) -> Bool {
        guard let handle = FileHandle(forReadingAtPath: path) else { return false }
        defer { try? handle.close() }
        return (try? handle.read(upToCount: 15)).map { $0 == Data("SQLite format 3".utf8) } ?? false
    }
}

/// Readings to run rules over; a recording's lie in a folder of their own that ``close()`` takes away.
struct ReadingStore {
    let path: String
    let folder: String?

    func close() {
        if let folder { try? FileManager.default.removeItem(atPath: folder) }
    }

    /// The devices as the store has them, with what the settings' devices file says of them now.
    func devices(_ settings: Settings?) throws -> [Device] {
        let records = DeviceRecords(settings)
        return try Exit.onStoreFailure { try ReadingRun(path: path).devices() }.map(records.described)
    }
}

/// What the settings' devices file says of devices.
struct DeviceRecords: Sendable {
    private let records: [String: DeviceRecord]

    init(_ settings: Settings?) {
        records = Dictionary((settings?.devices ?? []).map { ("\($0.kind.name) \($0.id)", $0) }) { first, _ in first }
    }

    func described(_ device: Device) -> Device {
        guard let record = records["\(device.kind.name) \(device.id)"] else { return device }
        return Device(
            number: device.number, kind: device.kind, id: device.id, gateway: device.gateway, name: record.name,
            area: record.area, site: record.site, zone: record.zone, lat: record.lat, lon: record.lon,
            team: record.team, tags: record.tags)
    }
}

/// How far it is, on a terminal.
final class Progress {
    private let what: String
    private let isTerminal = isatty(2) == 1
    private var count = 0

    init(_ what: String) { self.what = what }

    func add(_ readings: Int) {
        count += readings
        if isTerminal { FileHandle.standardError.write(Data("\r\(what): \(count / 1000) thousand readings".utf8)) }
    }

    func end() { if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) } }
}
