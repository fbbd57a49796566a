import Delivery
import Settings
import Store
import Telemetry

extension OutletSettings {
    /// The outlets that the settings name, behind the one to the broker.
    /// - Parameters:
    ///   - rows: how far each was at the last commit.
    ///   - open: the alerts that are open.
    ///   - hears: takes what other task systems answer, and answers when it is committed.
    func outlets(
        stream: EventStream, first: any Outlet, rows: [OutletRow], open: [RetainedRow],
        hears: @escaping @Sendable (Action) async -> ActionAnswer, record: @escaping @Sendable (OutletChange) -> Void
    ) -> Outlets {
        func row(_ name: String) -> OutletRow? { rows.first { $0.name == name } }
        let webhooks: [any Outlet] = (webhooks + systems).map { webhook in
            let options = webhook.options
            return WebhookOutlet(options: options, stream: stream, row: row(options.outletName), hears: hears, record: record)
        }
        let alertmanagers: [any Outlet] = alertmanagers.map { alertmanager in
            let options = alertmanager.options
            return AlertmanagerOutlet(
                options: options, stream: stream, row: row(options.outletName), open: open, record: record)
        }
        return Outlets(
            stream: stream, sse: SSEOutlet(stream: stream, readerLimit: streamReaders),
            driven: [first] + webhooks + alertmanagers)
    }

    /// How the words of other task systems are understood, by their names.
    var adapters: [String: any TaskAdapter] {
        Dictionary(
            systems.compactMap { system in system.adapter.flatMap(TaskAdapters.adapter(named:)).map { (system.name, $0) } },
            uniquingKeysWith: { first, _ in first })
    }
}

extension OutletSettings.Receiver {
    var receiver: HTTPReceiver {
        var receiver = HTTPReceiver(url: url)
        receiver.token = token.map { SecretText($0.text) }
        receiver.timeout = .milliseconds(timeoutMilliseconds)
        receiver.allowsPrivateAddresses = allowsPrivateAddresses
        receiver.caFile = caFile
        return receiver
    }
}

extension OutletSettings.Choice {
    var filter: EventFilter { EventFilter(types: types, areas: areas, severities: severities, rules: rules) }
}

extension OutletSettings.Webhook {
    var options: WebhookOptions {
        var options = WebhookOptions(name: name, receiver: receiver.receiver)
        options.receiver.connections = maxInFlight
        // The settings have checked them.
        options.keys = secrets.compactMap { WebhookKey($0.text) }
        options.beginsWithOldest = beginsWithOldest
        options.policy.maxInFlight = maxInFlight
        options.policy.giveUpMilliseconds = retryForMilliseconds
        options.policy.filter = choice.filter
        options.adapter = adapter.flatMap(TaskAdapters.adapter(named:))
        return options
    }
}

extension OutletSettings.Alertmanager {
    var options: AlertmanagerOptions {
        var options = AlertmanagerOptions(name: name, receiver: receiver.receiver)
        options.policy.resendMilliseconds = resendMilliseconds
        options.policy.filter = choice.filter
        return options
    }
}
