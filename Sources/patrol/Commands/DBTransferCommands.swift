import ArgumentParser
import Foundation
import Ingest
import Pipeline
import Rules
import Settings
import Store
import Telemetry

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes the readings of a kind as CSV or JSON lines, compact history too, in the order in which they were stored.",
        discussion: """
            'patrol db import' and 'patrol replay' read what this writes. Times are UTC milliseconds.

            EXAMPLES
              patrol db export --kind noise > noise.csv
              patrol db export --kind vehicle --device car-3 --period 2024-06 --format json | gzip > june.jsonl.gz
            """)

    @Option(help: "noise, vehicle or bodycam.") var kind = "noise"
    @Option(help: "One device only.") var device: String?
    @Option(help: "A stretch of local time: yesterday, 2024-06, 2024-06-01..2024-06-07.") var period: String?
    @Option(help: "csv or json (an object a line).") var format = "csv"
    @OptionGroup var options: StoreOptions

    func run() throws {
        Output.ignoreBrokenPipe()
        guard let kind = Kind(name: kind) else {
            throw Exit.fail("no kind '\(kind)'; there are \(Kind.allCases.map(\.name).joined(separator: ", "))", Exit.usage)
        }
        guard format == "csv" || format == "json" else { throw Exit.fail("--format is csv or json, not '\(format)'", Exit.usage) }
        let reader = try options.reader()
        var span: LocalPeriod?
        if let period {
            let setting = try Exit.onStoreFailure { try reader.rollupSetting() }
            let now = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
            span = LocalZone(identifier: setting.zone).flatMap {
                LocalPeriod(period, zone: $0, now: now, dayStarts: setting.dayStarts, nightStarts: setting.nightStarts)
            }
            if span == nil { throw Exit.fail("--period '\(period)' is none; write \(LocalPeriod.words)", Exit.usage) }
        }
        if let device { try Exit.explainMissing(device, reader) }
        let writer = ReadingWriter(kind: kind, isCSV: format == "csv")
        try Exit.onStoreFailure {
            try ReadingRun(path: reader.path).forEachRow(kind: kind, damaged: { Exit.warn($0) }) { row in
                if let device, row[0].text != device { return }
                if let span, row[1].integer < span.from.milliseconds || row[1].integer >= span.to.milliseconds { return }
                writer.write(row)
            }
        }
        writer.finish()
    }
}

/// Rows of readings as recordings that can be read back.
private final class ReadingWriter {
    private let kind: Kind
    private let isCSV: Bool
    private var text = ""
    private let names: [String]

    init(kind: Kind, isCSV: Bool) {
        self.kind = kind
        self.isCSV = isCSV
        names = ["device", "ts", "received_ts", "gateway", "seq"] + kind.description.fields.map(\.name)
        if isCSV { text = names.joined(separator: ",") + "\n" }
    }

    func write(_ row: [StoreValue]) {
        if isCSV {
            text += names.indices.map { cell(row[$0]) }.joined(separator: ",") + "\n"
        } else {
            var members: [(String, JSONLine.Value)] = [("kind", .text(kind.name))]
            for index in names.indices where row[index] != .null {
                let field = index >= 5 ? kind.description.fields[index - 5].storage : nil
                switch field {
                case .bool: members.append((names[index], .raw(row[index].integer == 1 ? "true" : "false")))
                case .flags:
                    members.append((names[index], .raw("[" + row[index].text.split(separator: ",").map { "\"\($0)\"" }.joined(separator: ",") + "]")))
                default: members.append((names[index], JSONLine.Value(row[index])))
                }
            }
            text += JSONLine.text(members) + "\n"
        }
        if text.utf8.count >= 1 << 16 { finish() }
    }

    func finish() {
        FileHandle.standardOutput.write(Data(text.utf8))
        text = ""
    }

    private func cell(_ value: StoreValue) -> String {
        switch value {
        case .null: ""
        case .integer(let number): "\(number)"
        case .real(let number): "\(number)"
        case .text(let text):
            text.contains { ",\"\n\r".contains($0) } ? "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : text
        }
    }
}

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Takes readings from CSV or JSON lines into a store that no Patrol runs on, and says what was wrong with which line.",
        discussion: """
            Each line goes the way of a message: ranges, identity, rollups. What the store has already is counted as duplicate.
            No alert is raised. 'patrol db export' writes such files; so does any table with the columns device, ts and the
            payload's names.

            EXAMPLES
              patrol db import noise.csv --store data/patrol.db
              patrol db import june.jsonl.gz --kind vehicle
            """)

    @Argument(help: "The file, plain or gzip'd.") var file: String
    @Option(help: "CSV: the kind of the rows (noise, vehicle, bodycam).") var kind = "noise"
    @Option(help: "The gateway where the file names none.") var gateway = "import"
    @OptionGroup var options: StoreOptions

    func run() throws {
        guard let kind = Kind(name: kind) else {
            throw Exit.fail("no kind '\(kind)'; there are \(Kind.allCases.map(\.name).joined(separator: ", "))", Exit.usage)
        }
        var recording = RecordingOptions()
        recording.kind = kind
        recording.gateway = gateway
        recording.problemsKept = 100_000
        let result = try Exit.onStoreFailure {
            do {
                return try Replay.run(recording: file, options: recording, into: try options.path(), rules: RuleSet([])) { _, _ in }
            } catch let error as RecordingError {
                throw Exit.fail(error.description, Exit.usage)
            }
        }
        let bad = result.problemCount + result.refusedCount
        for line in result.problems + result.refused { FileHandle.standardError.write(Data("\(line)\n".utf8)) }
        let told = result.problems.count + result.refused.count
        if bad > told { FileHandle.standardError.write(Data("… and \(bad - told) more\n".utf8)) }
        Output.line("\(result.messages + result.problemCount) lines read, \(bad) refused")
        if bad > 0 { throw Exit.problems }
    }
}
