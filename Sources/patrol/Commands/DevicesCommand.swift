import ArgumentParser
import Foundation
import Store
import Telemetry

struct DevicesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "devices",
        abstract: "Devices: whose they are, where they stand, when they were last heard.",
        discussion: """
            A device is known by kind and id and belongs to one gateway. Ids may be shortened. "last heard" is the newest
            measured time of an accepted reading, up to 60 seconds old while Patrol runs.

            EXAMPLES
              patrol devices list --kind noise --area 330110012
              patrol devices list --silent 2h
              patrol devices show jc-107
            """,
        subcommands: [List.self, Show.self])

    static let headings: View.Headings = [
        "id": ("id", "编号"), "kind": ("kind", "类型"), "gateway": ("gateway", "网关"), "name": ("name", "名称"),
        "area": ("area", "区域"), "site": ("site", "点位"), "zone": ("zone", "功能区"), "team": ("team", "中队"),
        "tags": ("tags", "标签"), "lat": ("lat", "纬度"), "lon": ("lon", "经度"), "registered_at": ("registered", "登记时间"),
        "newest_ts": ("last heard", "最近上报"), "received": ("received", "时间"), "reason": ("reason", "原因"),
        "field": ("field", "字段"), "topic": ("topic", "主题"), "rule": ("rule", "规则"), "state": ("state", "状态"),
        "severity": ("severity", "级别"), "started_at": ("started", "开始"), "resolved_at": ("resolved", "解除"),
    ]

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "All devices, or those of a kind, gateway, area, site or team.")

        @Option(help: "noise, vehicle or bodycam.") var kind: String?
        @Option(help: "Those of one gateway.") var gateway: String?
        @Option(help: "Those of an area and all below it, by its code.") var area: String?
        @Option(help: "Those of one site.") var site: String?
        @Option(help: "Those of one team.") var team: String?
        @Option(help: "Only those not heard for so long (10m, 2h, 3d) or since a time, and those never heard.") var silent: String?
        @OptionGroup var view: ViewOptions

        func run() throws {
            Output.ignoreBrokenPipe()
            let view = try self.view.checked()
            if let kind, Kind(name: kind) == nil {
                throw Exit.fail("--kind is \(Kind.allCases.map(\.name).joined(separator: ", ")), not '\(kind)'", Exit.usage)
            }
            let silentSince = try silent.map { try MomentOption.parse($0, timezone: view.timezone) }
            let reader = try self.view.store.reader()
            // By number in pages, so that no snapshot is long however many there are.
            var shown: (columns: [String], rows: [[StoreValue]]) = ([], [])
            var query = PageQuery(.devices, kind: kind.flatMap(Kind.init(name:)), limit: StoreReader.pageRows)
            repeat {
                let page = try Exit.onStoreFailure { try reader.page(query) }
                let column = Dictionary(uniqueKeysWithValues: page.columns.enumerated().map { ($1, $0) })
                let wanted = ["id", "kind", "gateway", "name", "area", "site", "team", "newest_ts"].map { column[$0]! }
                func matches(_ row: [StoreValue], _ name: String, _ value: String?) -> Bool {
                    value == nil || row[column[name]!] == .text(value!)
                }
                func isBelow(_ row: [StoreValue], _ code: String?) -> Bool {
                    guard let code else { return true }
                    if case .text(let own) = row[column["area"]!] { return own.hasPrefix(Area.shortCode(code)) }
                    return false
                }
                func isSilent(_ row: [StoreValue]) -> Bool {
                    guard let silentSince else { return true }
                    if case .integer(let heard) = row[column["newest_ts"]!] { return heard < silentSince }
                    return true
                }
                for row in page.rows
                where matches(row, "gateway", gateway) && matches(row, "site", site) && matches(row, "team", team)
                    && isBelow(row, area) && isSilent(row)
                {
                    shown.rows.append(wanted.map { row[$0] })
                }
                shown.columns = wanted.map { page.columns[$0] }
                query.cursor = page.next
            } while query.cursor != nil
            view.table(columns: shown.columns, DevicesCommand.headings, shown.rows, empty: view.language("no device", "没有设备"))
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "One device with its last alerts and what was refused of it.")

        @Argument(help: "The device's id, which may be shortened.") var id: String
        @Option(help: "Where an id is of several kinds: noise, vehicle or bodycam.") var kind: String?
        @OptionGroup var view: ViewOptions

        func run() throws {
            Output.ignoreBrokenPipe()
            let view = try self.view.checked()
            let reader = try self.view.store.reader()
            let full = try reader.id(id, in: "device")
            try Exit.onStoreFailure {
                let page = try reader.page(PageQuery(.devices, kind: kind.flatMap(Kind.init(name:)), device: full))
                guard let device = page.rows.first else {
                    throw Exit.fail("no device '\(full)' is of the kind '\(kind ?? "")'", Exit.problems)
                }
                if page.rows.count > 1 {
                    throw Exit.fail("'\(full)' is the id of devices of several kinds; say which with --kind", Exit.usage)
                }
                view.object(columns: page.columns, DevicesCommand.headings, device)
                let alerts = try reader.rows(
                    "SELECT started_at, id, rule, severity, state, resolved_at FROM alert WHERE device = ? ORDER BY started_at DESC LIMIT 10",
                    [.text(full)])
                view.list("alerts", alerts, DevicesCommand.headings, title: view.language("Alerts", "告警"))
                let rejects = try reader.rows(
                    "SELECT received, reason, field, gateway, topic FROM reject WHERE device = ? ORDER BY rowid DESC LIMIT 10",
                    [.text(full)])
                view.list("rejects", rejects, DevicesCommand.headings, title: view.language("Refused", "拒收"))
            }
            view.end()
        }
    }
}
