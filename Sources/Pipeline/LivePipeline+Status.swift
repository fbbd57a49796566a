public import API

extension LivePipeline {
    /// For `/readyz` and `/metrics`.
    public var statusSource: StatusSource {
        StatusSource(
            troubles: { [status] in
                let values = status.current
                return [values.storeTrouble, values.brokerTrouble].compactMap { $0 }
            },
            metrics: { [status, outlets] in
                let values = status.current
                var text = ""
                func metric(_ name: String, _ type: String, _ help: String, _ value: Double) {
                    text += "# HELP patrol_\(name) \(help)\n# TYPE patrol_\(name) \(type)\npatrol_\(name) \(value)\n"
                }
                for (outcome, count) in values.outcomes {
                    if outcome == "stored" {
                        text += "# HELP patrol_readings_total Readings since the start, by what became of them.\n"
                        text += "# TYPE patrol_readings_total counter\n"
                    }
                    text += "patrol_readings_total{outcome=\"\(outcome)\"} \(count)\n"
                }
                metric("stored_input", "counter", "Number of the last stored reading.", Double(values.storedInput))
                metric("batches_total", "counter", "Committed batches since the start.", Double(values.batches))
                metric(
                    "commit_seconds_total", "counter", "Time spent in commits.", Double(values.commitNanoseconds) / 1e9)
                metric(
                    "commit_slowest_seconds", "gauge", "The slowest commit since the start.",
                    Double(values.slowestCommitNanoseconds) / 1e9)
                metric("wal_bytes", "gauge", "Size of the write-ahead log.", Double(values.walBytes))
                metric("wal_over_cap", "gauge", "1 while the write-ahead log is over its cap.", values.isWALOverCap ? 1 : 0)
                metric("devices", "gauge", "Known devices.", Double(values.devices))
                metric(
                    "open_bucket_bytes", "gauge", "Memory of the open noise buckets coarser than a minute.", Double(values.bucketBytes))
                metric("catching_up", "gauge", "1 while the broker's queue is drained.", values.isCatchingUp ? 1 : 0)
                metric(
                    "ready", "gauge", "1 while subscribed and the store writable.",
                    values.storeTrouble == nil && values.brokerTrouble == nil ? 1 : 0)
                return text + outlets.metrics
            })
    }
}
