import Telemetry

/// `permits.csv`: site, from, until, what. Times are of the settings' zone, or RFC 3339 with an offset.
enum PermitsFile {
    private static let columns = ["site", "from", "until", "what"]

    /// - Parameter sites: nil where there is no file of sites; nothing is asked then.
    static func load(path: String, text: String? = nil, sites: Sites?, zone: LocalZone) -> Loaded<Permits> {
        var table = text.map { CSVTable($0, path: path, columns: columns, needed: columns) }
            ?? CSVTable(path: path, columns: columns, needed: columns)
        var permits: [Permit] = []
        for row in table.rows {
            let site = table.needed(row, "site")
            if let site, let sites, sites[site] == nil {
                table.problem(row, "site", "no site has the id '\(site)'\(hint(site, among: sites.all.map(\.id)))")
            }
            func time(_ column: String, isEnd: Bool) -> Timestamp? {
                guard let cell = table.needed(row, column) else { return nil }
                if let time = LocalTimeText.moment(cell, zone: zone, isEnd: isEnd) { return time }
                table.problem(row, column, "\(column) is \(LocalTimeText.form), not '\(cell)'")
                return nil
            }
            let (from, until) = (time("from", isEnd: false), time("until", isEnd: true))
            let what = table.needed(row, "what")
            if let from, let until, from >= until { table.problem(row, "until", "the permit ends before it begins") }
            if let site, let from, let until, let what { permits.append(Permit(site: site, from: from, until: until, what: what)) }
        }
        return Loaded(Permits(permits), table.problems)
    }
}

/// `units.csv`: id, kind, device, officer, team, areas, shift, capabilities, authority, officers; lists are parted by `;`.
enum UnitsFile {
    private static let columns = ["id", "kind", "device", "officer", "team", "areas", "shift", "capabilities", "authority", "officers"]

    /// - Parameters:
    ///   - areas: nil where there is no file of areas; `devices` likewise. Nothing is asked then.
    ///   - day: what a shift `day` is; `night` is the rest.
    static func load(
        path: String, text: String? = nil, areas: AreaTree?, devices: [DeviceRecord]?, limits: NoiseLimits
    ) -> Loaded<[ResponseUnit]> {
        var table = text.map { CSVTable($0, path: path, columns: columns, needed: ["id", "kind"]) }
            ?? CSVTable(path: path, columns: columns, needed: ["id", "kind"])
        var units: [ResponseUnit] = []
        var taken = TakenNames("unit")
        var unitOfDevice: [String: String] = [:]
        var unitOfOfficer: [String: String] = [:]
        let carried = devices.map { Set($0.filter { $0.kind != .noise }.map(\.id)) }
        for row in table.rows {
            let before = table.problems.count
            let id = table.needed(row, "id")
            if let id {
                if !isID(id) { table.problem(row, "id", "an id has \(idRule)") }
                if let message = taken.take(id, at: "\(path):\(row.line)") { table.problem(row, "id", message) }
            }
            let kind = table.needed(row, "kind")
            if let device = row.text("device") {
                if let carried, !carried.contains(device) {
                    table.problem(row, "device", "no vehicle or body camera has the id '\(device)'\(hint(device, among: carried.sorted()))")
                }
                if let other = unitOfDevice[device] { table.problem(row, "device", "the device '\(device)' is that of \(other) already") }
                unitOfDevice[device] = id
            }
            if let officer = row.text("officer") {
                if let other = unitOfOfficer[officer] { table.problem(row, "officer", "the officer '\(officer)' is that of \(other) already") }
                unitOfOfficer[officer] = id
            }
            let codes = row.list("areas")
            if let areas {
                for code in codes where areas.number(ofCode: code) == nil {
                    table.problem(row, "areas", "no area has the code '\(code)'\(hint(code, among: areas.areas.map(\.code)))")
                }
            }
            var shift: HourRange?
            if let text = row.text("shift") {
                shift = text == "day" ? limits.day : text == "night" ? limits.night : HourRange(text)
                if shift == nil { table.problem(row, "shift", "shift is day, night or hours such as 08:00-20:00, not '\(text)'") }
            }
            var officers = 1
            if let text = row.text("officers") {
                officers = Int(text) ?? 0
                if !(1...500).contains(officers) { table.problem(row, "officers", "officers is a number from 1 to 500, not '\(text)'") }
            }
            guard table.problems.count == before, let id, let kind else { continue }
            units.append(
                ResponseUnit(
                    id: id, kind: kind, device: row.text("device"), officer: row.text("officer"), team: row.text("team"),
                    areas: codes, shift: shift, capabilities: row.list("capabilities"), authority: row.list("authority"), officers: officers))
        }
        return Loaded(units, table.problems)
    }
}

/// A moment as people write it: `2024-06-07 22:00`, `2024-06-07`, or RFC 3339 with an offset.
enum LocalTimeText {
    static let form = "a time such as 2024-06-07 22:00 or a date"

    /// - Parameter isEnd: a date alone is its end, 24:00, instead of its beginning.
    static func moment(_ text: String, zone: LocalZone, isEnd: Bool) -> Timestamp? {
        if let moment = Timestamp(rfc3339: text) { return moment }
        guard let day = day(text.prefix(10)) else { return nil }
        let rest = text.dropFirst(10)
        if rest.isEmpty { return zone.moment(isEnd ? day + 1 : day) }
        guard rest.first == " " || rest.first == "T" else { return nil }
        let clock = rest.dropFirst().split(separator: ":", omittingEmptySubsequences: false)
        guard clock.count == 2 || clock.count == 3 && clock[2].count == 2, let minutes = HourRange.minutes(clock[0] + ":" + clock[1]) else { return nil }
        var seconds = 0
        if clock.count == 3 {
            guard let value = digits(clock[2]), value < 60 else { return nil }
            seconds = value
        }
        return zone.moment(day, Int64(minutes * 60 + seconds) * 1000)
    }

    /// `2024-06-07`.
    static func day(_ text: some StringProtocol) -> LocalDay? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts.map(\.count) == [4, 2, 2], let year = digits(parts[0]), let month = digits(parts[1]),
            let day = digits(parts[2])
        else { return nil }
        return LocalDay(year: year, month: month, day: day)
    }

    static func digits(_ text: some StringProtocol) -> Int? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }
}
