import Glibc

/// A thread of its own for work that must not share one: the source's, the processor's, the publisher's.
public final class WorkerThread: @unchecked Sendable {
    private let body: @Sendable () -> Void
    // Written by `start`, read by `join`, both called by the owner.
    private var handle = pthread_t()

    public init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
    }

    public func start() {
        let context = unsafe Unmanaged.passRetained(self).toOpaque()
        let code = unsafe pthread_create(
            &handle, nil,
            { context in
                let thread = unsafe Unmanaged<WorkerThread>.fromOpaque(context!).takeRetainedValue()
                thread.body()
                return nil
            }, context)
        precondition(code == 0, "pthread_create: \(unsafe String(cString: strerror(code)))")
    }

    /// Waits for its end; once, and not from the thread itself.
    public func join() { pthread_join(handle, nil) }
}
