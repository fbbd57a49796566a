import Dispatch
import Synchronization

/// Two things at once, the second on a thread of its own; both are over when it returns.
/// - Throws: the error of the first where both fail.
public func together<First, Second: Sendable>(
    _ first: () throws(StoreError) -> First, _ second: @escaping @Sendable () throws(StoreError) -> Second
) throws(StoreError) -> (First, Second) {
    let other = SecondOutcome<Second>()
    BackgroundThread {
        let result: Result<Second, StoreError>
        do throws(StoreError) {
            result = .success(try second())
        } catch {
            result = .failure(error)
        }
        other.result.withLock { $0 = result }
        other.isOver.signal()
    }.start()
    let own: Result<First, StoreError>
    do throws(StoreError) {
        own = .success(try first())
    } catch {
        own = .failure(error)
    }
    other.isOver.wait()
    return (try own.get(), try other.result.withLock { $0! }.get())
}

private final class SecondOutcome<Value: Sendable>: Sendable {
    let result = Mutex<Result<Value, StoreError>?>(nil)
    let isOver = DispatchSemaphore(value: 0)
}
