import Foundation
import Synchronization

/// All outlets of a store, in one list, and what is asked of them by name.
public final class Outlets: Sendable {
    public let stream: EventStream
    public let sse: SSEOutlet
    public let pull: PullOutlet
    /// Those that Patrol drives itself.
    public let driven: [any Outlet]

    public init(stream: EventStream, sse: SSEOutlet? = nil, driven: [any Outlet] = []) {
        self.stream = stream
        self.sse = sse ?? SSEOutlet(stream: stream)
        pull = PullOutlet(stream: stream)
        self.driven = driven
    }

    /// Runs the driven outlets until the task is cancelled.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            for outlet in driven { group.addTask { await outlet.run() } }
        }
    }

    /// Waits until everything up to the newest event is delivered by those that can, at most so long: at a clean end.
    public func settle(seconds: Double) {
        let end = Date().addingTimeInterval(seconds)
        let last = stream.last
        while Date() < end, driven.contains(where: { $0.report.condition == .running && !$0.hasDelivered(last) }) {
            Thread.sleep(forTimeInterval: 0.005)
        }
    }

    public func outlet(named name: String) -> (any Outlet)? { driven.first { $0.name == name } }

    public var reports: [OutletReport] { driven.map(\.report) }

    /// Prometheus text format 0.0.4.
    public var metrics: String {
        var text = ""
        func family(_ name: String, _ type: String, _ help: String, _ samples: [(String, Double)]) {
            guard !samples.isEmpty else { return }
            text += "# HELP patrol_\(name) \(help)\n# TYPE patrol_\(name) \(type)\n"
            for (labels, value) in samples {
                let number = Int64(exactly: value).map(String.init) ?? "\(value)"
                text += "patrol_\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(number)\n"
            }
        }
        let reports = reports
        func each(_ value: (OutletReport) -> Double) -> [(String, Double)] {
            reports.map { ("outlet=\"\($0.name)\"", value($0)) }
        }
        let (open, sentBytes, refused, gone) = sse.counts
        family("stream_sequence", "counter", "Number of the newest event.", [("", Double(stream.last))])
        family("outlet_delivered_sequence", "counter", "Everything up to this event is done.", each { Double($0.delivered) })
        family("outlet_lag_events", "gauge", "Events that are not delivered yet.", each { Double($0.lagEvents) })
        family("outlet_lag_seconds", "gauge", "Age of the oldest event that is not delivered.", each(\.lagSeconds))
        family("outlet_in_flight", "gauge", "Events sent and not answered.", each { Double($0.inFlight) })
        family("outlet_sent_total", "counter", "Events delivered since the start.", each { Double($0.sent) })
        family("outlet_failures_total", "counter", "Attempts that failed since the start.", each { Double($0.failures) })
        family("outlet_given_up_total", "counter", "Events made dead letters since the start.", each { Double($0.given) })
        family("outlet_up", "gauge", "1 while the outlet delivers.", each { $0.condition == .running ? 1 : 0 })
        let pulled = pull.counts
        family("pull_answers_total", "counter", "Requests for events that were answered.", [("", Double(pulled.answers))])
        family("pull_events_total", "counter", "Events in those answers.", [("", Double(pulled.events))])
        family("pull_waiting", "gauge", "Requests that wait for events.", [("", Double(pulled.waiting))])
        family("sse_readers", "gauge", "Streams that are open.", [("", Double(open))])
        family("sse_sent_bytes_total", "counter", "Bytes sent to streams that have ended.", [("", Double(sentBytes))])
        family("sse_refused_total", "counter", "Streams refused for want of a place.", [("", Double(refused))])
        family(
            "sse_closed_total", "counter", "Streams that have ended, by reason.",
            gone.sorted { $0.key < $1.key }.map { ("reason=\"\($0.key)\"", Double($0.value)) })
        return text
    }
}

/// The lag of an outlet: events, and seconds since the oldest of them was committed.
struct OutletLag {
    /// - Parameter oldestAt: when the oldest event that is not done was committed, UTC ms; nil where it is not known yet.
    static func seconds(events: Int64, oldestAt: Int64?) -> Double {
        guard events > 0, let oldestAt, oldestAt > 0 else { return 0 }
        return max(0, Date().timeIntervalSince1970 - Double(oldestAt) / 1000)
    }
}
