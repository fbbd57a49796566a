import GRDBSQLite
import Glibc
import Synchronization

/// Moves the write-ahead log into the database beside the writer, on a thread and a connection of its own, so that a
/// commit waits for no checkpoint.
///
/// Rarely, since commits wait for the disk while it is written to. While readings come in, a passive checkpoint never
/// reaches the log's end: passes follow each other until little is left, and the writer does that itself
/// (``committed(frames:on:)``), so that the log starts from its beginning again. A reader that holds an old snapshot stops
/// that: the log grows, and beyond the cap ``isOverCap`` is the alarm.
///
/// The log is counted by its frames. Its file is made long at the start and stays so (``prepareLog()``): a commit that
/// overwrites blocks costs the disk less than half of one that makes the file longer.
public final class Checkpointer: @unchecked Sendable {
    /// Passes begin when the log has grown by so much.
    private var passBytes: Int64 { min(32 << 20, capBytes / 4) }
    private var preparedBytes: Int64 { min(48 << 20, capBytes / 2) }
    /// What the writer does itself at most.
    private static let restFrames: Int32 = 40
    /// Passes one behind the other at most: with a reader in the way they reach no end.
    private static let passesInARow = 8
    /// A frame's header and its page (SQLite, "WAL-mode File Format" §1).
    static let frameBytes: Int64 = 24 + 4096

    private let walPath: String
    private let path: String
    public let capBytes: Int64
    private let walBytesNow: Atomic<Int64>
    private let isStopping = Atomic<Bool>(false)
    private let isRunning = Atomic<Bool>(false)
    private let isNearEnd = Atomic<Bool>(false)
    // The writer's: where the log was when the last pass began.
    private var passBegan: Int64 = 0
    // The pass's, which `isRunning` makes one at a time; closed in `stop`.
    private var own: Connection?

    init(path: String, capBytes: Int64) {
        self.path = path
        walPath = path + "-wal"
        self.capBytes = capBytes
        var status = stat()
        walBytesNow = Atomic(unsafe stat(walPath, &status) == 0 ? Int64(status.st_size) : 0)
    }

    /// Bytes of the log's frames as of the last commit; of its file before the first.
    public var walBytes: Int64 { walBytesNow.load(ordering: .relaxed) }
    /// The alarm: a reader holds an old snapshot, or the disk is too slow.
    public var isOverCap: Bool { walBytes > capBytes }

    /// Makes the log's file long ahead, with zeros, which to SQLite are no frames; not on a disk that is nearly full. The
    /// writer's thread, between commits.
    func prepareLog() {
        let descriptor = unsafe open(walPath, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var status = stat()
        var disk = statvfs()
        guard unsafe fstat(descriptor, &status) == 0, unsafe fstatvfs(descriptor, &disk) == 0,
            Int64(disk.f_bavail) * Int64(disk.f_frsize) > 16 * preparedBytes
        else { return }
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        var end = Int64(status.st_size)
        while end < preparedBytes {
            let written = unsafe pwrite(descriptor, zeros, Int(min(Int64(zeros.count), preparedBytes - end)), off_t(end))
            guard written > 0 else { return }
            end += Int64(written)
        }
        fdatasync(descriptor)
    }

    /// Called by the writer after each commit with the log's length: starts a pass when it is worth one, and does the
    /// rest when little is left.
    func committed(frames: Int64, on connection: Connection) {
        note(frames: frames)
        let bytes = walBytes
        if bytes < passBegan { passBegan = 0 }
        if isNearEnd.exchange(false, ordering: .acquiringAndReleasing) {
            _ = unsafe sqlite3_wal_checkpoint_v2(connection.handle, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
        } else if bytes - passBegan > passBytes, !isStopping.load(ordering: .relaxed),
            !isRunning.exchange(true, ordering: .acquiringAndReleasing)
        {
            passBegan = bytes
            BackgroundThread { [self] in
                pass()
                isRunning.store(false, ordering: .releasing)
            }.start()
        }
    }

    func note(frames: Int64) { walBytesNow.store(frames * Checkpointer.frameBytes, ordering: .relaxed) }

    /// A pass is under way.
    var isBusy: Bool { isRunning.load(ordering: .acquiring) }

    private func pass() {
        if own == nil { own = try? Connection(path: path) }
        guard let own else { return }
        for _ in 0..<Checkpointer.passesInARow where !isStopping.load(ordering: .relaxed) {
            var frames: Int32 = 0, moved: Int32 = 0
            let code = unsafe sqlite3_wal_checkpoint_v2(own.handle, nil, SQLITE_CHECKPOINT_PASSIVE, &frames, &moved)
            if code != SQLITE_OK { return }
            if frames - moved <= Checkpointer.restFrames { return isNearEnd.store(true, ordering: .releasing) }
        }
    }

    /// Waits for a running pass; no new one starts.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        while isRunning.load(ordering: .acquiring) { sched_yield() }
        own = nil
    }
}

/// A detached thread that runs a closure once.
struct BackgroundThread {
    private final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }

    func start() {
        let box = unsafe Unmanaged.passRetained(Box(body)).toOpaque()
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                unsafe Unmanaged<Box>.fromOpaque(context!).takeRetainedValue().body()
                return nil
            }, box)
        precondition(code == 0, "pthread_create: \(code)")
        pthread_detach(thread)
    }
}
