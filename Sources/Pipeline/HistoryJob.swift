import Ring
import Store
import Synchronization
import Telemetry

/// Work on the store beside the processor's thread: packing and reading back. Asked for its result, it never waits.
final class HistoryJob<Value: Sendable>: @unchecked Sendable {
    private let outcome = Mutex<Result<Value, StoreError>?>(nil)
    private let isGivenUp = Atomic<Bool>(false)
    // Set before the thread starts, used by the owner only.
    private var thread: WorkerThread?

    init(_ body: @escaping @Sendable (_ isCancelled: @Sendable () -> Bool) throws(StoreError) -> Value) {
        let thread = WorkerThread { [self] in
            let result: Result<Value, StoreError>
            do throws(StoreError) {
                result = .success(try body { self.isGivenUp.load(ordering: .relaxed) })
            } catch {
                result = .failure(error)
            }
            outcome.withLock { $0 = result }
        }
        self.thread = thread
        thread.start()
    }

    /// Nil while it is at work.
    var result: Result<Value, StoreError>? { outcome.withLock { $0 } }

    /// Waits for the end of the thread; with `cancels` that is soon.
    func join(cancels: Bool) {
        if cancels { isGivenUp.store(true, ordering: .relaxed) }
        thread?.join()
        thread = nil
    }
}
