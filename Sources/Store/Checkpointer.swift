import GRDBSQLite
import Glibc
import Synchronization

/// Moves the write-ahead log into the database beside the writer, on a thread and a connection of its own, so that a
/// commit waits for no checkpoint.
///
/// While readings flood in, a passive checkpoint never reaches the log's end; the writer then does the last short
/// stretch itself once the log is long (``committed(on:)``), so that the log starts from its beginning again. A reader
/// that holds an old snapshot stops that: the log grows, and beyond the cap ``isOverCap`` is the alarm.
public final class Checkpointer: Sendable {
    /// The log is taken over from this size on, and the writer helps from `helpBytes` on.
    private var startBytes: Int64 { min(4 << 20, capBytes / 4) }
    private var helpBytes: Int64 { min(32 << 20, capBytes / 2) }

    private let walPath: String
    private let path: String
    public let capBytes: Int64
    private let walBytesNow = Atomic<Int64>(0)
    private let isStopping = Atomic<Bool>(false)
    private let isRunning = Atomic<Bool>(false)
    private let passes = Atomic<Int>(0)
    private let helpedAtPass = Atomic<Int>(0)

    init(path: String, capBytes: Int64) {
        self.path = path
        walPath = path + "-wal"
        self.capBytes = capBytes
    }

    /// Bytes of the log as of the last commit.
    public var walBytes: Int64 { walBytesNow.load(ordering: .relaxed) }
    /// The alarm: a reader holds an old snapshot, or the disk is too slow.
    public var isOverCap: Bool { walBytes > capBytes }

    /// Called by the writer after each commit: looks at the log's size, starts a pass when it is worth one.
    func committed(on connection: Connection) {
        let bytes = measure()
        guard bytes > startBytes, !isStopping.load(ordering: .relaxed) else { return }
        let pass = passes.load(ordering: .acquiring)
        if bytes > helpBytes, pass != helpedAtPass.load(ordering: .relaxed) {
            helpedAtPass.store(pass, ordering: .relaxed)
            _ = unsafe sqlite3_wal_checkpoint_v2(connection.handle, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
            return
        }
        if !isRunning.exchange(true, ordering: .acquiringAndReleasing) { start() }
    }

    /// Looks at the log's size.
    @discardableResult
    func measure() -> Int64 {
        var status = stat()
        let bytes = unsafe stat(walPath, &status) == 0 ? Int64(status.st_size) : 0
        walBytesNow.store(bytes, ordering: .relaxed)
        return bytes
    }

    /// A pass is under way.
    var isBusy: Bool { isRunning.load(ordering: .acquiring) }

    private func start() {
        let thread = BackgroundThread { [self] in
            defer { isRunning.store(false, ordering: .releasing) }
            guard let own = try? Connection(path: path) else { return }
            _ = unsafe sqlite3_wal_checkpoint_v2(own.handle, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
            passes.wrappingAdd(1, ordering: .releasing)
        }
        thread.start()
    }

    /// Waits for a running pass; no new one starts.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        while isRunning.load(ordering: .acquiring) { sched_yield() }
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
