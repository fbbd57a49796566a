// Stress of the shipped ring under two threads, for ThreadSanitizer: `ring-stress SECONDS`. Every value must arrive
// once and in order, through a ring small enough that both ends wait often, in batches of seeded random sizes.
import Glibc
import Ring

struct Random {
    var state: UInt64
    mutating func next(_ bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(bound))
    }
}

final class Box<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

func thread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
    var handle = pthread_t()
    let context = unsafe Unmanaged.passRetained(Box(body)).toOpaque()
    unsafe pthread_create(
        &handle, nil,
        { context in
            unsafe Unmanaged<Box<@Sendable () -> Void>>.fromOpaque(context!).takeRetainedValue().value()
            return nil
        }, context)
    return handle
}

func now() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

let seconds = CommandLine.arguments.dropFirst().first.flatMap(Double.init) ?? 5
let seed = CommandLine.arguments.dropFirst(2).first.flatMap(UInt64.init) ?? UInt64(getpid()) &* 0x9E37_79B9_7F4A_7C15 | 1
print("ring-stress: seed \(seed), \(seconds) s")
var rounds = 0
var total = 0
let until = now() + seconds
while now() < until {
    var dice = Random(state: seed &+ UInt64(rounds) | 1)
    let capacity = 1 << dice.next(8)
    let count = 20_000
    let ring = Ring<Int>(capacity: capacity)
    let producerSeed = dice.state
    let consumerDies = dice.next(8) == 0
    let producing = thread {
        var dice = Random(state: producerSeed)
        var producer = ring.makeProducer()
        var value = 0
        while value < count {
            let batch = min(1 + dice.next(capacity), count - value)
            guard producer.claimWaiting(batch) else { return }
            for offset in 0..<batch { unsafe producer.claimedSlot(offset).pointee = value + offset }
            value += batch
            producer.publish()
        }
    }
    let consuming = thread {
        var dice = Random(state: producerSeed ^ 0xABCDEF)
        var consumer = ring.makeConsumer()
        var next = 0
        reading: while true {
            switch consumer.wait(for: next, timeoutMilliseconds: -1) {
            case .closed: break reading
            case .timedOut: continue
            case .slots:
                let limit = min(consumer.available(), next + 1 + dice.next(capacity))
                for sequence in next..<limit {
                    let value = unsafe consumer.slot(sequence).pointee
                    precondition(value == sequence, "at \(sequence): \(value)")
                }
                consumer.release(upTo: limit)
                next = limit
                if consumerDies && next > count / 2 { return }
            }
        }
        precondition(next == count, "the consumer got \(next) of \(count)")
    }
    pthread_join(producing, nil)
    pthread_join(consuming, nil)
    rounds += 1
    total += count
}
print("ring-stress: \(rounds) rings, \(total) values, every one once and in order")
