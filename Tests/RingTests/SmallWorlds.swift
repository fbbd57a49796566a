import Ring
import Testing

/// Every small world: each capacity, each start of the sequence, each split of what is claimed and read.
@Suite struct SmallWorlds {
    @Test func everyCapacityStartAndCount() {
        for capacity in [1, 2, 4, 8] {
            for start in 0..<capacity * 2 {
                for count in 0...capacity {
                    let ring = Ring<Int>(capacity: capacity, start: start)
                    var producer = ring.makeProducer()
                    var consumer = ring.makeConsumer()
                    let seen1 = producer.claim(count)
                    #expect(seen1)
                    for offset in 0..<count { unsafe producer.claimedSlot(offset).pointee = start + offset }
                    let seen2 = consumer.available()
                    #expect(seen2 == start, "unpublished slots are invisible")
                    producer.publish()
                    let seen3 = consumer.available()
                    #expect(seen3 == start + count)
                    let seen4 = producer.claim(capacity - count + 1)
                    #expect(seen4 == false, "one more than there is room for")
                    for sequence in start..<start + count {
                        let seen5 = unsafe consumer.slot(sequence).pointee
                        #expect(seen5 == sequence)
                        consumer.release(upTo: sequence + 1)
                        let seen6 = producer.claim(1)
                        #expect(seen6, "each released slot can be claimed")
                        producer.unclaim(from: 0)
                    }
                    let seen7 = producer.claim(capacity)
                    #expect(seen7)
                }
            }
        }
    }

    @Test func wrapsRoundManyTimesInAnyBatch() {
        for capacity in [1, 2, 4, 8, 16] {
            for batch in 1...capacity {
                let ring = Ring<Int>(capacity: capacity)
                var producer = ring.makeProducer()
                var consumer = ring.makeConsumer()
                var written = 0
                var read = 0
                while read < capacity * 10 {
                    while producer.claim(1) {
                        unsafe producer.claimedSlot(producer.claimedCount - 1).pointee = written
                        written += 1
                        if producer.claimedCount == batch { producer.publish() }
                    }
                    producer.publish()
                    let limit = consumer.available()
                    for sequence in read..<limit {
                        let value = unsafe consumer.slot(sequence).pointee
                        #expect(value == sequence)
                    }
                    consumer.release(upTo: limit)
                    read = limit
                }
            }
        }
    }

    @Test func unclaimedSlotsAreNeverSeen() {
        let ring = Ring<Int>(capacity: 4)
        var producer = ring.makeProducer()
        var consumer = ring.makeConsumer()
        let seen8 = producer.claim(3)
        #expect(seen8)
        unsafe producer.claimedSlot(0).pointee = 7
        producer.unclaim(from: 1)
        producer.publish()
        let seen9 = consumer.available()
        #expect(seen9 == 1)
        let seen10 = unsafe consumer.slot(0).pointee
        #expect(seen10 == 7)
    }

    @Test func producerLearnsThatTheConsumerIsGone() {
        let ring = Ring<Int>(capacity: 2)
        var producer = ring.makeProducer()
        let consumer = ring.makeConsumer()
        let seen11 = producer.claim(2)
        #expect(seen11)
        producer.publish()
        consumer.close()
        let seen12 = producer.isConsumerClosed
        #expect(seen12)
        let seen13 = producer.claimWaiting(1)
        #expect(seen13 == false, "a full ring whose consumer is gone does not wait for ever")
    }

    @Test func consumerReadsWhatWasPublishedBeforeTheClose() {
        let ring = Ring<Int>(capacity: 2)
        var producer = ring.makeProducer()
        var consumer = ring.makeConsumer()
        let seen14 = producer.claim(1)
        #expect(seen14)
        unsafe producer.claimedSlot(0).pointee = 5
        producer.publish()
        producer.close()
        let seen15 = consumer.wait(for: 0, timeoutMilliseconds: -1)
        #expect(seen15 == .slots)
        let seen16 = unsafe consumer.slot(0).pointee
        #expect(seen16 == 5)
        consumer.release(upTo: 1)
        let seen17 = consumer.wait(for: 1, timeoutMilliseconds: -1)
        #expect(seen17 == .closed)
    }

    @Test func unpublishedSlotsDieWithTheProducer() {
        let ring = Ring<Int>(capacity: 2)
        var producer = ring.makeProducer()
        var consumer = ring.makeConsumer()
        let seen18 = producer.claim(1)
        #expect(seen18)
        producer.close()
        let seen19 = consumer.wait(for: 0, timeoutMilliseconds: -1)
        #expect(seen19 == .closed)
    }

    @Test func waitingEndsWithTheTime() {
        let ring = Ring<Int>(capacity: 2)
        let producer = ring.makeProducer()
        var consumer = ring.makeConsumer()
        let seen20 = consumer.wait(for: 0, timeoutMilliseconds: 1)
        #expect(seen20 == .timedOut)
        let seen21 = consumer.wait(for: 0, timeoutMilliseconds: -1, orUntil: { true })
        #expect(seen21 == .timedOut)
        producer.close()
    }

    @Test func anEndIsTakenOnce() async {
        await #expect(processExitsWith: .failure) {
            let ring = Ring<Int>(capacity: 2)
            let first = ring.makeProducer()
            let second = ring.makeProducer()
            first.close()
            second.close()
        }
    }

    @Test func capacityIsAPowerOfTwo() async {
        await #expect(processExitsWith: .failure) { _ = Ring<Int>(capacity: 3) }
    }
}
