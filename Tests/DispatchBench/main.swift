import Dispatching
import Glibc
import Telemetry

/// Times the pure parts of dispatching and prints a line of JSON: `swift run -c release dispatch-bench`.

struct Dice {
    var state: UInt64 = 1
    mutating func roll(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % bound
    }
    mutating func place() -> Position {
        Position(latitude: 30.15 + Double(roll(40_000)) / 100_000, longitude: 119.7 + Double(roll(40_000)) / 100_000)
    }
}

let start = Timestamp(milliseconds: 1_717_768_800_000)
var dice = Dice()

/// Of the processor: what other programs take of it in between is not the work's.
func microseconds(_ body: () -> Void) -> Double {
    func now() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
    }
    let began = now()
    body()
    return now() - began
}

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

func alert(_ number: Int) -> Alert {
    Alert(
        id: "a\(number)", rule: "r", device: "m\(number)", kind: .noise, deviceNumber: 0, site: nil, area: "33011001\(number % 9)",
        severity: "warning", state: "firing", startedAt: start, firedAt: start, resolvedAt: nil, value: 75)
}

/// Units in twelve areas and three shifts, most of them free and with a fresh fix.
func board(_ count: Int, _ dice: inout Dice) -> UnitBoard {
    let shifts = [nil, HourRange("08:00-20:00"), HourRange("20:00-08:00")]
    let units = (0..<count).map { number in
        ResponseUnit(
            id: "u\(number)", kind: "car", device: "d\(number)", areas: number % 4 == 0 ? [] : ["33011001\(number % 12)"],
            shift: shifts[number % 3], capabilities: number % 5 == 0 ? [] : ["noise"])
    }
    let board = UnitBoard(units, zone: .utc)
    for number in 0..<count {
        board.moved(number, to: UnitBoard.Fix(at: start + -Int64(dice.roll(140)) * 1000, position: dice.place(), accuracyMetres: 8))
    }
    return board
}

// A choice among 10,000 with its explanation.
let units = board(10_000, &dice)
var kept = 0
let choices = (0..<500).map { number in
    var demand = UnitDemand(position: dice.place(), area: "33011001\(number % 9)")
    demand.capabilities = ["noise"]
    return microseconds { kept += units.choose(demand, at: start).candidates.count }
}

// The clock's ticks, a second each, over the warnings and breaches of 100,000 open tasks that were made within 15 minutes:
// of each the median of three runs, in which what the machine does besides rarely meets the same tick twice.
func ticks() -> (times: [Double], events: Int) {
    let many = Dispatcher(settings: DispatchSettings())
    for number in 0..<100_000 {
        let at = start + Int64(number) * 9
        many.alertFired(alert(number), kind: "noise-check", at: at)
    }
    _ = many.takeEvents()
    _ = many.takeChanged()
    var fired = 0
    let times = (1...1800).map { second in
        let time = microseconds { many.advance(to: start + Int64(second) * 1000) }
        fired += many.takeEvents().count
        _ = many.takeChanged()
        return time
    }
    return (times, fired)
}
let runs = (0..<3).map { _ in ticks() }
let tickTimes = runs[0].times.indices.map { tick in median(runs.map { $0.times[tick] }) }

// A thousand alerts, every one a task with a unit.
let busy = Dispatcher(settings: DispatchSettings(), units: board(10_000, &dice))
let thousand = microseconds {
    for number in 0..<1000 { busy.alertFired(alert(number), kind: "other", place: (30.3, 119.95), at: start) }
}
let sent = busy.takeEvents().count { $0.what == "assigned" }

print(
    """
    {"choice_us":\(median(choices)),"choice_p99_us":\(choices.sorted()[494]),"candidates":\(kept),\
    "tick_ms":\(median(tickTimes) / 1000),"tick_slowest_ms":\(tickTimes.max()! / 1000),"events":\(runs[0].events),\
    "thousand_alerts_ms":\(thousand / 1000),"sent":\(sent)}
    """)
