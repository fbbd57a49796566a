import Foundation
import Glibc
public import Telemetry

/// The machine's two clocks.
public enum ServerClock {
    /// Wall time.
    public static var now: Timestamp {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// Nanoseconds that no step of the wall clock moves.
    public static var monotonicNanoseconds: Int64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// What tells, over a restart of the process, a jump of the wall clock from time that has passed: the wall clock less the
/// steady one, which means something within one start of the machine.
struct MachineClock: Sendable {
    /// Id of this start of the machine; empty where it has none.
    var boot: String
    /// Milliseconds.
    var wallOffset: @Sendable () -> Int64

    static let this = MachineClock(
        boot: (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines) ?? "",
        wallOffset: { ServerClock.now.milliseconds - ServerClock.monotonicNanoseconds / 1_000_000 })

    /// A difference of so much is a jump; less is the clock being steered.
    static let stepMilliseconds: Int64 = 500
}
