/// A table of plain values that never changes once built: one allocation, read without touching a reference count.
/// The module's only pointer.
///
/// Its owner is a class, or another type without copies; the memory goes with it.
@safe
public struct FlatTable<Element: BitwiseCopyable & Sendable>: ~Copyable, @unchecked Sendable {
    // Written in `init` only, which nobody else has seen yet: that is why it can be shared.
    @usableFromInline let elements: UnsafeMutableBufferPointer<Element>

    public init(_ values: some Collection<Element>) {
        unsafe elements = .allocate(capacity: values.count)
        _ = unsafe elements.initialize(from: values)
    }

    deinit { unsafe elements.deallocate() }

    @inlinable
    public var count: Int { unsafe elements.count }

    /// Traps outside of `0..<count`.
    @inlinable
    public subscript(index: Int) -> Element {
        @inline(__always) get {
            precondition(index >= 0 && index < count)
            return unsafe elements[index]
        }
    }
}
