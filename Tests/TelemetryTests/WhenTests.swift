import Testing

@testable import Telemetry

private let shanghai = LocalZone(identifier: "Asia/Shanghai")!

private func at(_ text: String) -> Timestamp { Timestamp(rfc3339: text)! }

/// The state at each minute is that of an hour before and after, as far as it says; a walk from change to change.
private func periods(_ schedule: Schedule, from start: Timestamp, until end: Timestamp) -> [String] {
    var result: [String] = []
    var moment = start
    while moment < end {
        let state = schedule.state(at: moment)
        #expect(state.holds(at: moment) && state.from < state.until)
        for other in [state.from, state.until + -1, Timestamp(milliseconds: (moment.milliseconds + state.until.milliseconds) / 2)]
        where other > .distantPast && other < Timestamp.distantFuture + -1 {
            #expect(schedule.state(at: other).isActive == state.isActive)
        }
        if state.isActive {
            let offset = schedule.zone.offset(at: moment) / 60_000
            let from = state.from.rfc3339(offsetMinutes: offset).prefix(16)
            let until = state.until.rfc3339(offsetMinutes: schedule.zone.offset(at: state.until) / 60_000).prefix(16)
            result.append("\(from) \(until)")
        }
        moment = state.until
    }
    return result
}

struct WhenTests {
    @Test func aNightBelongsToTheEveningOnWhichItStarts() {
        // Fridays: 7 June 2024 is one.
        let fridays = DayHours(hours: [.night], weekdays: 1 << 5)
        let schedule = Schedule(.hours(fridays), zone: shanghai)
        #expect(!schedule.isActive(at: at("2024-06-07T05:59:59+08:00")))
        #expect(schedule.isActive(at: at("2024-06-07T22:00:00+08:00")))
        #expect(schedule.isActive(at: at("2024-06-08T05:59:59.999+08:00")))
        #expect(!schedule.isActive(at: at("2024-06-08T06:00:00+08:00")) && !schedule.isActive(at: at("2024-06-08T22:00:00+08:00")))
        #expect(
            periods(schedule, from: at("2024-06-02T00:00:00+08:00"), until: at("2024-06-20T00:00:00+08:00"))
                == ["2024-06-07T22:00 2024-06-08T06:00", "2024-06-14T22:00 2024-06-15T06:00"])
        #expect(HourRange.night.day(of: at("2024-06-08T01:00:00+08:00"), in: shanghai) == LocalDay(year: 2024, month: 6, day: 7))
        #expect(HourRange.night.day(of: at("2024-06-08T23:00:00+08:00"), in: shanghai) == LocalDay(year: 2024, month: 6, day: 8))
        #expect(HourRange.night.day(of: at("2024-06-08T07:00:00+08:00"), in: shanghai) == nil)
    }

    /// 31 March 2024 in Tallinn has 23 hours, 27 October has 25.
    @Test func nightsOfTheChange() throws {
        let zone = try #require(LocalZone(identifier: "Europe/Tallinn"))
        let night = Schedule(.hours(DayHours(hours: [.night])), zone: zone)
        let spring = night.state(at: at("2024-03-31T00:00:00Z"))
        #expect(spring.isActive && spring.until - spring.from == 7 * 3_600_000)
        let autumn = night.state(at: at("2024-10-27T00:00:00Z"))
        #expect(autumn.isActive && autumn.until - autumn.from == 9 * 3_600_000)
        // 03:15–03:45 is left out in spring and comes once in autumn.
        let quarter = Schedule(.hours(DayHours(hours: [HourRange("03:15-03:45")!])), zone: zone)
        #expect(
            periods(quarter, from: at("2024-03-30T00:00:00Z"), until: at("2024-04-02T00:00:00Z"))
                == ["2024-03-30T03:15 2024-03-30T03:45", "2024-04-01T03:15 2024-04-01T03:45"])
        #expect(periods(quarter, from: at("2024-10-26T20:00:00Z"), until: at("2024-10-27T20:00:00Z")).count == 1)
    }

    @Test func seasonsCrossTheNewYear() throws {
        let winter = try #require(Season(fromMonth: 11, day: 1, untilMonth: 2, day: 29))
        let days = [(2023, 10, 31, false), (2023, 11, 1, true), (2024, 1, 1, true), (2024, 2, 29, true), (2024, 3, 1, false)]
        for (year, month, day, isIn) in days { #expect(winter.holds(LocalDay(year: year, month: month, day: day)!) == isIn) }
        #expect(Season(fromMonth: 2, day: 30, untilMonth: 3, day: 1) == nil)
        let ban = Schedule(
            .hours(DayHours(seasons: [Season(fromMonth: 3, day: 1, untilMonth: 6, day: 30)!])), zone: shanghai)
        #expect(!ban.isActive(at: at("2024-02-29T23:59:59+08:00")) && ban.isActive(at: at("2024-03-01T00:00:00+08:00")))
        #expect(ban.isActive(at: at("2024-06-30T23:59:59+08:00")) && !ban.isActive(at: at("2024-07-01T00:00:00+08:00")))
    }

    @Test func calendars() {
        let exams = EventCalendar(
            id: "exams", name: "exams",
            periods: [
                .init(from: at("2024-06-07T15:00:00+08:00"), until: at("2024-06-07T17:00:00+08:00"), title: "mathematics"),
                .init(from: at("2024-06-07T09:00:00+08:00"), until: at("2024-06-07T11:30:00+08:00"), title: "language"),
            ])
        #expect(exams.periods.map(\.title) == ["language", "mathematics"])
        let quiet = Schedule(.during(exams, earlier: 30 * 60_000, later: 0), zone: shanghai)
        #expect(
            periods(quiet, from: at("2024-06-01T00:00:00+08:00"), until: at("2024-07-01T00:00:00+08:00"))
                == ["2024-06-07T08:30 2024-06-07T11:30", "2024-06-07T14:30 2024-06-07T17:00"])
        let before = Schedule(.hours(DayHours(hours: [.night], days: exams.days(in: shanghai, movedBy: -1))), zone: shanghai)
        #expect(
            periods(before, from: at("2024-06-01T00:00:00+08:00"), until: at("2024-07-01T00:00:00+08:00"))
                == ["2024-06-06T22:00 2024-06-07T06:00"])
        let all = Schedule(.all([quiet.when, .not(.hours(DayHours(hours: [HourRange("09:00-10:00")!])))]), zone: shanghai)
        #expect(
            periods(all, from: at("2024-06-07T00:00:00+08:00"), until: at("2024-06-07T12:00:00+08:00"))
                == ["2024-06-07T08:30 2024-06-07T09:00", "2024-06-07T10:00 2024-06-07T11:30"])
        let any = Schedule(.any([before.when, quiet.when]), zone: shanghai)
        #expect(any.isActive(at: at("2024-06-07T05:00:00+08:00")) && any.isActive(at: at("2024-06-07T09:00:00+08:00")))
        #expect(!any.isActive(at: at("2024-06-07T07:00:00+08:00")))
        #expect(exams.periods(at: at("2024-06-07T09:00:00+08:00")).map(\.title) == ["language"])
    }

    @Test func memoryAsksAgainOnlyWhereItMust() {
        let schedule = Schedule(.hours(DayHours(hours: [.night])), zone: shanghai)
        var memory = WhenMemory()
        let start = at("2024-06-07T00:00:00+08:00")
        for step in stride(from: Int64(0), to: 5 * 86_400_000, by: 599_000) {
            // Late moments too.
            for moment in [start + step, start + step / 2] {
                #expect(memory.isActive(schedule, at: moment) == schedule.isActive(at: moment))
            }
        }
    }

    @Test func hourRanges() {
        #expect(HourRange("22:00-06:00") == .night && HourRange("0:00-24:00") == .wholeDay)
        #expect(HourRange.night.text == "22:00-06:00" && HourRange.night.crossesMidnight && HourRange.wholeDay.text == "00:00-24:00")
        for wrong in ["22:00", "22-06", "22:00-22:00", "24:00-06:00", "22:60-06:00", "22:00-25:00", "-1:00-06:00", "22:00-06:00-07:00", "a:bc-d:ef"] {
            #expect(HourRange(wrong) == nil, "\(wrong)")
        }
    }

    @Test func permitsLiftUntilTheyExpire() {
        let permits = Permits([
            Permit(site: "s1", from: at("2024-06-07T20:00:00Z"), until: at("2024-06-07T22:00:00Z"), what: "emergency-repair"),
            Permit(site: "s1", from: at("2024-06-07T22:00:00Z"), until: at("2024-06-07T23:00:00Z"), what: "night-work"),
        ])
        let repair = permits.intervals(site: "s1", what: ["emergency-repair"])
        #expect(repair.state(at: at("2024-06-07T21:59:59Z")).isActive && !repair.state(at: at("2024-06-07T22:00:00Z")).isActive)
        #expect(permits.intervals(site: "s1").state(at: at("2024-06-07T22:30:00Z")).from == at("2024-06-07T20:00:00Z"))
        #expect(!permits.intervals(site: "s2").state(at: at("2024-06-07T21:00:00Z")).isActive)
        #expect(permits.permits(site: "s1", at: at("2024-06-07T22:30:00Z")).map(\.what) == ["night-work"])
    }

    @Test func deliveredLimits() {
        let limits = NoiseLimits.delivered
        #expect(limits["gb12523"]?.limit(zone: "2")?.nightDecibels == 55 && limits["gb12523"]?.nightMaximumExcessDecibels == 15)
        #expect(limits["gb3096"]?.limit(zone: "2")?.dayDecibels == 60 && limits["gb3096"]?.limit(zone: nil) == nil)
        #expect(limits["gb3096"]?.limit(zone: "4b")?.certainty == .unverified)
        #expect(limits.night == .night && limits.zones == ["0", "1", "2", "3", "4a", "4b"])
    }
}
