import Glibc
import Ingest
import Logging
import Mosquitto
import Ring
import Synchronization
import Telemetry

/// The broker's side of the pipeline: one thread reads from libmosquitto, decodes into the ring, and lets the
/// acknowledgements go only when everything read so far is committed.
///
/// Why it cannot lose a reading: libmosquitto queues the PUBACK of a message before it hands the message over, and only
/// `Subscriber.flush()` sends what is queued. `flush()` stands in one place (``flushIfCommitted()``), behind
/// `signals.committed >= decoder.publishedSequence`. When a commit stalls beyond half the keep-alive the connection is
/// dropped with its queue, and the broker sends everything again.
@safe
final class LiveSource: SubscriberHandler, @unchecked Sendable {
    struct Options {
        /// Slots read at most between two flushes.
        var slotsBetweenFlushes = Limits.batchSlots
        var fullPolicy = FullPolicy.wait
        /// Nothing to read for so long: the broker's queue is drained.
        var drainedAfterMilliseconds: Int64 = 250
        /// Calls of the library's read between two looks at the rest.
        static let readsPerTurn = 1000
        /// Slots published at a time while reading.
        static let publishSlots = 128
        /// In a flood a batch may wait so long for more, although the socket is empty for a moment.
        static let floodBatchMilliseconds: Int64 = 4
        /// So long after the subscription everything has been called that only a start needs.
        static let startNanoseconds: Int64 = 100_000_000
        /// A difference of so much between two looks is a jump; less is the clock being steered.
        static let clockStepMilliseconds: Int64 = 500
        /// The broker must answer CONNECT and SUBSCRIBE within this.
        var handshakeMilliseconds: Int64 = 10_000
    }

    private let connection: ConnectionOptions
    private let options: Options
    private let topicRoot: String
    // All below is used on the source's thread only; `isStopping` and `wake` are the way in from others.
    private var decoder: MessageDecoder
    private let signals: CommitSignals
    /// The ring's.
    private let bells: [Doorbell]
    private let status: PipelineStatus
    private let logger: Logger
    private let isStopping = Atomic<Bool>(false)
    private let wake = Doorbell()
    private var received = Timestamp(milliseconds: 0)
    private var flushedSequence = 0
    private var waitingSince: Int64?
    private var readAt: Int64 = 0
    /// The wall clock less the steady one, in ms, when last looked at.
    private var clockOffset: Int64?
    private var flood = FloodMeter()
    /// When the first reading came whose commit is not asked for yet, monotonic ns.
    private var batchStartedAt: Int64 = 0
    private var hasStarted = false
    /// When the pages of the start may go, monotonic ns.
    private var startEndsAt: Int64?
    /// In a flood the socket is left alone for a millisecond, so that a wake-up brings many messages and a commit more.
    private var isNapping = false

    init(
        connection: ConnectionOptions, options: Options, topicRoot: String, decoder: consuming MessageDecoder, bells: [Doorbell],
        signals: CommitSignals, status: PipelineStatus, logger: Logger
    ) {
        self.connection = connection
        self.options = options
        self.topicRoot = topicRoot
        self.decoder = decoder
        self.bells = bells
        self.signals = signals
        self.status = status
        self.logger = logger
    }

    /// Nothing more comes: the processor commits the rest and ends. After ``run()``.
    func close() { decoder.close() }

    /// Ends ``run()`` soon. Any thread.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        wake.arm()
        wake.ring()
    }

    func receive(topic: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer, qos: Int32) {
        unsafe decoder.decode(
            topic: topic, payload: payload, received: received, onFull: qos == 0 ? options.fullPolicy : .wait)
    }

    /// Connects, reads and acknowledges until stopped, and again whenever the connection is lost. On a thread that does nothing
    /// else: it has descriptors of its own from then on.
    func run() throws(MosquittoError) {
        let descriptors = OwnDescriptors(keeping: bells + [signals.bell, wake])
        let subscriber = try Subscriber(options: connection, filters: ["\(topicRoot)/in/#"], handler: self, descriptors: descriptors)
        var backoff = ReconnectBackoff(seed: UInt64(truncatingIfNeeded: ServerClock.monotonicNanoseconds))
        while !isStopping.load(ordering: .acquiring) {
            // What was read is committed first, so that a resent message finds it.
            if signals.committed < decoder.publishedSequence {
                signals.request(decoder.publishedSequence)
                pause(milliseconds: 20)
                continue
            }
            subscriber.connect()
            let started = ServerClock.monotonicNanoseconds
            var wasSubscribed = false
            while !isStopping.load(ordering: .acquiring) {
                if case .failed(let reason) = subscriber.state {
                    // Said once for each change, not for each of the tries that follow.
                    if status.broker(reason) { logger.warning("\(reason)") }
                    break
                }
                if !wasSubscribed, subscriber.state == .subscribed {
                    wasSubscribed = true
                    backoff.succeeded()
                    status.broker(nil)
                    logger.info("subscribed to \(topicRoot)/in/# at \(connection.address)")
                    if !hasStarted { startEndsAt = ServerClock.monotonicNanoseconds + Options.startNanoseconds }
                }
                if let end = startEndsAt, ServerClock.monotonicNanoseconds >= end {
                    (hasStarted, startEndsAt) = (true, nil)
                    StartPages.letGo()
                }
                if subscriber.state == .connecting, elapsed(since: started) > options.handshakeMilliseconds {
                    subscriber.dropUnflushed("the broker at \(connection.address) does not answer; is it an MQTT broker?")
                    continue
                }
                step(subscriber)
            }
            if isStopping.load(ordering: .acquiring) { break }
            let delay = backoff.nextMilliseconds()
            pause(milliseconds: Int32(delay))
        }
        goodbye(subscriber)
    }

    private func elapsed(since start: Int64) -> Int64 { (ServerClock.monotonicNanoseconds - start) / 1_000_000 }

    /// Waits, or is woken by ``stop()``.
    private func pause(milliseconds: Int32) {
        var poller = pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&poller, 1, milliseconds)
    }

    /// So much is read and not acknowledged that it must be committed first.
    private var isFull: Bool {
        decoder.publishedSequence - flushedSequence >= options.slotsBetweenFlushes
            && signals.committed < decoder.publishedSequence
    }

    /// Acknowledgements wait for a commit that is under way: what is read meanwhile would hold them back until the next.
    private func isCommitting(_ subscriber: Subscriber) -> Bool {
        let published = decoder.publishedSequence
        return subscriber.holdsAcknowledgements && signals.requested >= published && signals.committed < published
    }

    /// One turn: sleep until there is something to do, read, ask for a commit, flush.
    private func step(_ subscriber: Subscriber) {
        let mayRead = !isFull && !isCommitting(subscriber)
        let polls = mayRead && !isNapping
        signals.bell.arm()
        let isCommitted = signals.committed >= decoder.publishedSequence
        var pollers = (
            pollfd(fd: subscriber.socketDescriptor ?? -1, events: Int16(polls ? POLLIN : 0), revents: 0),
            pollfd(fd: signals.bell.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)
        )
        let wantsHandshake = subscriber.wantsHandshakeWrite
        if wantsHandshake { pollers.0.events |= Int16(POLLOUT) }
        let mustWork = isCommitted && subscriber.hasQueued && !wantsHandshake
        let patience: Int32 = mustWork ? 0 : isNapping ? 1 : waitingSince != nil ? 100 : 250
        _ = unsafe withUnsafeMutableBytes(of: &pollers) { unsafe poll($0.assumingMemoryBound(to: pollfd.self).baseAddress, 3, patience) }
        signals.bell.disarm()

        let events = Int32(pollers.0.revents)
        if wantsHandshake && events & POLLOUT != 0 { subscriber.flush() }
        let isGone = events & (POLLHUP | POLLERR) != 0
        if isGone && !mayRead {
            subscriber.dropUnflushed("the connection to the broker at \(connection.address) is gone")
        } else if mayRead && (isNapping || isGone || events & POLLIN != 0) {
            readBurst(subscriber)
        } else {
            readClock()
            decoder.publish()
        }
        let isDry = subscriber.pendingBytes == 0
        isNapping = isDry && flood.isOn && !isCommitting(subscriber)
            && elapsed(since: batchStartedAt) < Options.floodBatchMilliseconds
        if decoder.publishedSequence > signals.committed && (isDry && !isNapping || isFull) {
            signals.request(decoder.publishedSequence)
        }
        if isDry && subscriber.state == .subscribed && elapsed(since: readAt) > options.drainedAfterMilliseconds {
            signals.setDrained()
        }
        subscriber.tick()
        flushIfCommitted(subscriber)
    }

    /// Reads on while each call brings a packet: libmosquitto reads about one a call whatever it is asked for, and a
    /// `poll`, a clock and a publication for each would cost more than the packet.
    private func readBurst(_ subscriber: Subscriber) {
        readClock()
        if signals.requested >= decoder.publishedSequence { batchStartedAt = ServerClock.monotonicNanoseconds }
        var reads = 0
        while subscriber.state != .connecting || reads == 0 {
            let before = subscriber.receivedCount
            subscriber.read(packets: 1)
            reads += 1
            if reads & 63 == 0 { readClock() }
            if decoder.unpublishedSlots >= Options.publishSlots { decoder.publish() }
            if subscriber.receivedCount == before || reads >= Options.readsPerTurn { break }
            if decoder.publishedSequence - flushedSequence >= options.slotsBetweenFlushes { break }
        }
        readAt = ServerClock.monotonicNanoseconds
        flood.add(messages: reads, at: readAt)
        decoder.publish()
    }

    /// Takes the time for what is read next. Where the wall clock has jumped against the steady one, that is said first.
    private func readClock() {
        received = ServerClock.now
        let offset = received.milliseconds - ServerClock.monotonicNanoseconds / 1_000_000
        if let known = clockOffset, abs(offset - known) >= Options.clockStepMilliseconds {
            logger.warning("the wall clock has jumped by \(offset - known) ms; the clocks of tasks run on as before")
            decoder.clockStep(milliseconds: offset - known)
        }
        clockOffset = offset
    }

    /// The one place where acknowledgements leave.
    private func flushIfCommitted(_ subscriber: Subscriber) {
        guard subscriber.hasQueued, !subscriber.wantsHandshakeWrite else {
            waitingSince = nil
            flushedSequence = subscriber.holdsAcknowledgements ? flushedSequence : decoder.publishedSequence
            return
        }
        if signals.committed >= decoder.publishedSequence {
            subscriber.flush()
            flushedSequence = decoder.publishedSequence
            waitingSince = nil
            return
        }
        let since = waitingSince ?? ServerClock.monotonicNanoseconds
        waitingSince = since
        if elapsed(since: since) > Int64(connection.keepAliveSeconds) * 500 {
            waitingSince = nil
            subscriber.dropUnflushed(
                "nothing could be committed for half the keep-alive: the connection is dropped, the broker sends again")
        }
    }

    /// Commits and acknowledges what was read, then disconnects: the session stays with the broker.
    private func goodbye(_ subscriber: Subscriber) {
        decoder.publish()
        signals.request(decoder.publishedSequence)
        let started = ServerClock.monotonicNanoseconds
        while signals.committed < decoder.publishedSequence && elapsed(since: started) < 5000 {
            signals.request(decoder.publishedSequence)
            _ = poll(nil, 0, 1)
        }
        if signals.committed >= decoder.publishedSequence, subscriber.state == .subscribed { subscriber.disconnect() }
    }
}
