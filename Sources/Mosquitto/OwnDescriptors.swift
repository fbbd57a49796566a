import CMosquitto
import Glibc
import Ring

/// A table of file descriptors that one thread has for itself (decision 0099).
///
/// In the table that all threads of a process share the kernel counts a reference for each call on a descriptor, and
/// libmosquitto makes five calls a message: three reads and two writes, one of them into a socket pair of its own, to wake a
/// loop that is not used here.
///
/// Whatever the thread does afterwards with a descriptor that another thread has opened meets nothing, or something else:
/// it must not touch a store, a file or a connection of others.
@safe
public struct OwnDescriptors {
    private let kept: Set<Int32>
    private let nowhere: Int32

    /// From now on the calling thread shares no descriptor with the others. It keeps the standard streams and those of the
    /// bells; what else is open is the others' alone, so that their connections end when they close them.
    /// - Returns: nil where the system cannot do it (before Linux 5.9): then nothing has changed.
    public init?(keeping bells: [Doorbell]) {
        let kept = Set([0, 1, 2] + bells.flatMap(\.descriptors))
        let last = kept.max()!
        // The first call makes the table; without it nothing may be closed.
        guard close_range(UInt32(last + 1), .max, OwnDescriptors.unshare) == 0 else { return nil }
        for descriptor in 0..<last where !kept.contains(descriptor) { close(descriptor) }
        nowhere = unsafe open("/dev/null", O_RDWR | O_CLOEXEC)
        self.kept = kept.union([nowhere])
    }

    // CLOSE_RANGE_UNSHARE of linux/close_range.h.
    private static let unshare: Int32 = 2

    /// Leads local sockets that the thread has made to /dev/null.
    func muteLocalSockets() {
        guard nowhere >= 0 else { return }
        for descriptor in 0..<OwnDescriptors.most where !kept.contains(descriptor) {
            var address = sockaddr()
            var length = socklen_t(MemoryLayout<sockaddr>.size)
            if unsafe getsockname(descriptor, &address, &length) == 0, address.sa_family == AF_UNIX { dup2(nowhere, descriptor) }
        }
    }

    /// A new descriptor gets the lowest free number: behind so many there is none.
    private static let most: Int32 = 64
}
