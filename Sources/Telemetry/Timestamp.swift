/// A moment: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX time).
@frozen
public struct Timestamp: BitwiseCopyable, Sendable, Hashable, Comparable {
    public var milliseconds: Int64

    @inlinable
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    @inlinable
    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.milliseconds < b.milliseconds }

    @inlinable
    public static func + (a: Timestamp, milliseconds: Int64) -> Timestamp {
        Timestamp(milliseconds: a.milliseconds &+ milliseconds)
    }

    /// Milliseconds from `b` to `a`.
    @inlinable
    public static func - (a: Timestamp, b: Timestamp) -> Int64 { a.milliseconds &- b.milliseconds }

    /// Before every moment a reading can have.
    public static let distantPast = Timestamp(milliseconds: .min / 4)

    /// The first and the last moment a reading may state: the years 2000 and 2100, in UTC.
    public static let firstAccepted = Timestamp(milliseconds: 946_684_800_000)
    public static let lastAccepted = Timestamp(milliseconds: 4_102_444_800_000)

    /// The start of the bucket of `widthMilliseconds` (aligned to 1970 in UTC) that holds this moment.
    @inlinable
    public func bucketStart(widthMilliseconds width: Int64) -> Timestamp {
        let rest = milliseconds % width
        return Timestamp(milliseconds: milliseconds - (rest < 0 ? rest + width : rest))
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
@inlinable
func daysSinceEpoch(year: Int64, month: Int64, day: Int64) -> Int64 {
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
    let yearOfEra = shiftedYear - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
}

/// The date (year, month, day) that is `days` after 1970-01-01.
func civilDate(daysSinceEpoch days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthShifted = (5 * dayOfYear + 2) / 153
    let month = monthShifted < 10 ? monthShifted + 3 : monthShifted - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthShifted + 2) / 5 + 1)
}

extension Timestamp {
    /// Reads RFC 3339 §5.6 with an offset (`2024-06-07T22:00:00.250+08:00`). Nil where it is anything else.
    ///
    /// Fractions beyond the millisecond are cut; a leap second (`:60`) is the second after `:59`.
    public init?(rfc3339 bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 20, bytes.count <= 40 else { return nil }
        func digits(_ from: Int, _ count: Int) -> Int64? {
            var value: Int64 = 0
            for index in from..<from + count {
                let digit = unsafe bytes[index] &- 0x30
                guard digit < 10 else { return nil }
                value = value * 10 + Int64(digit)
            }
            return value
        }
        guard let year = digits(0, 4), unsafe bytes[4] == 0x2D, let month = digits(5, 2), unsafe bytes[7] == 0x2D,
            let day = digits(8, 2), unsafe bytes[10] | 0x20 == 0x74 || bytes[10] == 0x20,
            let hour = digits(11, 2), unsafe bytes[13] == 0x3A, let minute = digits(14, 2),
            unsafe bytes[16] == 0x3A, let second = digits(17, 2),
            (1...12).contains(month), day >= 1, day <= Timestamp.daysIn(month: month, of: year),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        var next = 19
        var fraction: Int64 = 0
        if unsafe bytes[next] == 0x2E {
            next += 1
            var scale: Int64 = 100
            let first = next
            while next < bytes.count, unsafe bytes[next] &- 0x30 < 10 {
                fraction += unsafe Int64(bytes[next] &- 0x30) * scale
                scale /= 10
                next += 1
            }
            guard next > first else { return nil }
        }
        var offsetMinutes: Int64 = 0
        guard next < bytes.count else { return nil }
        let sign = unsafe bytes[next]
        if sign | 0x20 == 0x7A {
            guard next + 1 == bytes.count else { return nil }
        } else {
            guard sign == 0x2B || sign == 0x2D, next + 6 == bytes.count, let hours = digits(next + 1, 2),
                unsafe bytes[next + 3] == 0x3A, let minutes = digits(next + 4, 2), hours < 24, minutes < 60
            else { return nil }
            offsetMinutes = (hours * 60 + minutes) * (sign == 0x2B ? 1 : -1)
        }
        let days = daysSinceEpoch(year: year, month: month, day: day)
        let seconds = ((days * 24 + hour) * 60 + minute - offsetMinutes) * 60 + second
        self.init(milliseconds: seconds * 1000 + fraction)
    }

    /// As ``init(rfc3339:)-(UnsafeRawBufferPointer)``, for text already at hand.
    public init?(rfc3339 text: some StringProtocol) {
        var copy = String(text)
        let parsed = copy.withUTF8 { unsafe Timestamp(rfc3339: UnsafeRawBufferPointer($0)) }
        guard let parsed else { return nil }
        self = parsed
    }

    /// RFC 3339 in UTC with milliseconds: `2024-06-07T14:00:00.000Z`. `offsetMinutes` east of Greenwich shifts the
    /// clock shown and is written instead of `Z`.
    public func rfc3339(offsetMinutes: Int64 = 0) -> String {
        let shifted = milliseconds + offsetMinutes * 60_000
        let days = bucket(shifted, 86_400_000)
        let date = civilDate(daysSinceEpoch: days)
        let rest = shifted - days * 86_400_000
        func padded(_ value: Int64, _ width: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        let clock = "\(padded(rest / 3_600_000, 2)):\(padded(rest / 60_000 % 60, 2)):\(padded(rest / 1000 % 60, 2))"
        let zone: String
        if offsetMinutes == 0 {
            zone = "Z"
        } else {
            let magnitude = abs(offsetMinutes)
            zone = "\(offsetMinutes < 0 ? "-" : "+")\(padded(magnitude / 60, 2)):\(padded(magnitude % 60, 2))"
        }
        return "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.day, 2))T\(clock).\(padded(rest % 1000, 3))\(zone)"
    }

    private func bucket(_ value: Int64, _ width: Int64) -> Int64 {
        value >= 0 ? value / width : (value - width + 1) / width
    }

    static func daysIn(month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}
