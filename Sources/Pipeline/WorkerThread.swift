import Glibc

/// A thread of its own for work that must not share one: the source's and the processor's.
final class WorkerThread: @unchecked Sendable {
    private let body: @Sendable () -> Void
    // Written by `start`, read by `join`, both called by the owner.
    private var handle = pthread_t()

    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
    }

    func start() {
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

    func join() { pthread_join(handle, nil) }
}
