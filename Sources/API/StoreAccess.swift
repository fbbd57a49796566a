import Dispatch
import Store

/// The store for handlers: its calls block, so they run on a thread of their own and not on those of the server.
struct StoreAccess: Sendable {
    private let reader: StoreReader
    private let queue = DispatchQueue(label: "patrol.api.store")

    init(_ reader: StoreReader) { self.reader = reader }

    func read<Value: Sendable>(
        _ body: @escaping @Sendable (StoreReader) throws(StoreError) -> Value
    ) async throws(StoreError) -> Value {
        let result: Result<Value, StoreError> = await withCheckedContinuation { continuation in
            queue.async {
                do throws(StoreError) {
                    continuation.resume(returning: .success(try body(reader)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }
}
