import Foundation

extension LocalZone {
    /// A zone of the system's time zone database; nil where it has none of that name.
    public init?(identifier: String) {
        guard let zone = TimeZone(identifier: identifier) else { return nil }
        func date(_ moment: Timestamp) -> Date { Date(timeIntervalSince1970: Double(moment.milliseconds) / 1000) }
        var starts = [Timestamp.distantPast]
        var offsets = [Int64(zone.secondsFromGMT(for: date(.firstAccepted))) * 1000]
        var moment = date(.firstAccepted)
        while let next = zone.nextDaylightSavingTimeTransition(after: moment), next < date(.lastAccepted) {
            moment = next
            let offset = Int64(zone.secondsFromGMT(for: next)) * 1000
            if offset == offsets.last { continue }
            starts.append(Timestamp(milliseconds: Int64((next.timeIntervalSince1970 * 1000).rounded())))
            offsets.append(offset)
        }
        self.init(identifier: identifier, starts: starts, offsets: offsets)
    }

    public static let utc = LocalZone(identifier: "UTC", starts: [.distantPast], offsets: [0])
}
