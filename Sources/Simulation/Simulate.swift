import Glibc
public import Ingest
import Telemetry

/// What a simulation did.
public struct SimulationCounts: Sendable {
    public var published = 0
    /// Not allowed by MQTT.
    public var refused = 0
    public var unacknowledged = 0
    public var seconds = 0.0
    /// Lines of the recording that are no messages: how many, and the first of them in words.
    public var problemCount = 0
    public var problems: [String] = []
}

/// The two things that `patrol simulate` does. Both block until the broker has acknowledged everything.
public enum Simulate {
    /// How fast the district's time goes.
    public enum Speed: Sendable, Equatable {
        case times(Double)
        case max

        /// `1`, `10`, `0.5`, `max`.
        public init?(_ text: String) {
            if text == "max" {
                self = .max
            } else if let factor = Double(text), factor > 0, factor <= 10_000 {
                self = .times(factor)
            } else {
                return nil
            }
        }
    }

    private static let drainSeconds = 60
    private static let stepMilliseconds: Int32 = 50

    /// Publishes the district for `durationMilliseconds` of its own time. At more than real time it begins in the past,
    /// so that it ends now and no reading comes from the future.
    /// - Parameter shouldStop: asked about twenty times a second.
    public static func district(
        seed: UInt64, speed: Speed, durationMilliseconds: Int64, feeder: Feeder, topicRoot: String = "patrol/v1",
        shouldStop: () -> Bool = { false }
    ) -> SimulationCounts {
        let wall = clock(CLOCK_REALTIME)
        let began = clock(CLOCK_MONOTONIC)
        let start = wall + -lead(speed, durationMilliseconds)
        let end = start + durationMilliseconds
        var district = District(seed: seed, start: start, topicRoot: topicRoot)
        var now = start
        while now < end && !shouldStop() {
            switch speed {
            case .max: now = min(end, now + 1000)
            case .times(let factor):
                _ = poll(nil, 0, stepMilliseconds)
                now = min(end, start + Int64(Double(clock(CLOCK_MONOTONIC) - began) * factor))
            }
            for message in district.messages(until: now) {
                feeder.send(topic: message.topic, payload: Array(message.payload.utf8))
            }
        }
        return counts(feeder, began)
    }

    /// How long before now the district begins.
    static func lead(_ speed: Speed, _ duration: Int64) -> Int64 {
        switch speed {
        case .max: duration
        case .times(let factor): Swift.max(0, duration - Int64(Double(duration) / factor))
        }
    }

    /// Publishes a recording as fast as the broker takes it, in its order.
    public static func recording(path: String, options: RecordingOptions, feeder: Feeder) throws -> SimulationCounts {
        let began = clock(CLOCK_MONOTONIC)
        let recording = try Recording(path: path, options: options)
        try feeder.send(recording: recording)
        var result = counts(feeder, began)
        result.problems = recording.problems
        result.problemCount = recording.problemCount
        return result
    }

    private static func counts(_ feeder: Feeder, _ began: Timestamp) -> SimulationCounts {
        var result = SimulationCounts()
        result.unacknowledged = feeder.drain(seconds: drainSeconds)
        result.published = feeder.sentCount
        result.refused = feeder.refusedCount
        result.seconds = Double(clock(CLOCK_MONOTONIC) - began) / 1000
        return result
    }

    private static func clock(_ id: clockid_t) -> Timestamp {
        var time = timespec()
        unsafe clock_gettime(id, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
