import Glibc
public import Synchronization

/// Wakes one sleeping thread: a bounded spin, then sleep on a pipe, which can also stand in a `poll` set beside
/// a socket. Ringing while nobody sleeps costs a fence and a load.
public final class Doorbell: Sendable {
    /// Becomes readable when rung while ``isAsleep``; drain it with ``drain()``.
    public let descriptor: Int32
    private let writeEnd: Int32
    /// Of the pipe: who rings and who waits need both.
    public var descriptors: [Int32] { [descriptor, writeEnd] }
    @usableFromInline let isAsleep = Atomic<Bool>(false)

    /// Rounds of the spin before sleeping: a few microseconds, less than a futex's round trip.
    static let spinRounds = 200

    public init() {
        var ends: (Int32, Int32) = (-1, -1)
        let failed = unsafe withUnsafeMutableBytes(of: &ends) { unsafe pipe($0.assumingMemoryBound(to: Int32.self).baseAddress!) }
        precondition(failed == 0, "pipe: \(unsafe String(cString: strerror(errno)))")
        for end in [ends.0, ends.1] {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        descriptor = ends.0
        writeEnd = ends.1
    }

    deinit {
        close(descriptor)
        close(writeEnd)
    }

    /// Wakes the sleeper, if there is one. Any thread.
    @inlinable
    public func ring() {
        // Dekker: the caller's store of its cursor, this fence, our load — against the sleeper's store of `isAsleep`,
        // its fence, its load of the cursor. One of the two sees the other.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        if isAsleep.load(ordering: .relaxed) { wake() }
    }

    @usableFromInline
    func wake() {
        var signal: UInt8 = 1
        _ = unsafe write(writeEnd, &signal, 1)  // a full pipe is rung already
    }

    /// Announces that the caller is about to sleep in a `poll` of its own on ``descriptor``. The condition must be
    /// looked at once more between this and the `poll`; ``disarm()`` afterwards.
    public func arm() {
        isAsleep.store(true, ordering: .relaxed)
        atomicMemoryFence(ordering: .sequentiallyConsistent)
    }

    public func disarm() {
        isAsleep.store(false, ordering: .relaxed)
        drain()
    }

    public func drain() {
        var signals: UInt64 = 0
        while unsafe read(descriptor, &signals, 8) == 8 {}
    }

    /// Waits until `condition` holds or the time is over; one thread at a time.
    /// - Parameter timeoutMilliseconds: −1 waits without end.
    public func wait(timeoutMilliseconds: Int32, until condition: () -> Bool) {
        for _ in 0..<Doorbell.spinRounds {
            if condition() { return }
            _spinLoopHint()
        }
        arm()
        defer { disarm() }
        while !condition() {
            var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = unsafe poll(&poller, 1, timeoutMilliseconds)
            if ready == 0 { return }
            drain()
        }
    }
}

@inline(__always)
func _spinLoopHint() {
    // No public pause instruction in Swift: a relaxed load of a private atomic keeps the loop from being removed.
    _ = spinHint.load(ordering: .relaxed)
}

private let spinHint = Atomic<Int>(0)
