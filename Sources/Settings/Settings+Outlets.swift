import Foundation
import Yams

/// Reads the section `outlets`; every problem is told at its place.
struct OutletSettingsReader {
    static let most = 100, namesBytes = 64

    let reader: YAMLReader
    let environment: [String: String]
    /// A path relative to the settings file.
    let resolve: (String) -> String
    /// Whether a text is a key of Standard Webhooks.
    static func isKey(_ text: String) -> Bool {
        let coded = text.hasPrefix("whsec_") ? String(text.dropFirst(6)) : text
        return Data(base64Encoded: coded).map { (24...64).contains($0.count) } ?? false
    }

    func outlets(_ node: Node?) -> OutletSettings {
        var settings = OutletSettings()
        guard let node else { return settings }
        let members = reader.mapping(node, "outlets", known: ["webhooks", "systems", "alertmanager", "stream"])
        settings.webhooks = list(members["webhooks"], "outlets.webhooks") { webhook($0, $1) }
        unique(settings.webhooks.map(\.name), members["webhooks"], "outlets.webhooks")
        settings.systems = list(members["systems"], "outlets.systems") { webhook($0, $1, isSystem: true) }
        unique(settings.systems.map(\.name), members["systems"], "outlets.systems")
        settings.alertmanagers = list(members["alertmanager"], "outlets.alertmanager") { alertmanager($0, $1) }
        unique(settings.alertmanagers.map(\.name), members["alertmanager"], "outlets.alertmanager")
        let stream = reader.mapping(members["stream"], "outlets.stream", known: ["readers"])
        settings.streamReaders = whole(stream["readers"], "outlets.stream.readers", 1...100_000) ?? settings.streamReaders
        return settings
    }

    private func list<Value>(_ node: Node?, _ what: String, _ read: (Node, String) -> Value?) -> [Value] {
        guard let node else { return [] }
        guard case .sequence(let sequence) = node else {
            reader.problem("\(what) is a list: '- name: …' for each", at: node)
            return []
        }
        if sequence.count > Self.most { reader.problem("\(what) has \(sequence.count) entries; at most \(Self.most) are read", at: node) }
        return sequence.prefix(Self.most).enumerated().compactMap { read($1, "\(what)[\($0)]") }
    }

    private func unique(_ names: [String], _ node: Node?, _ what: String) {
        var seen: Set<String> = []
        for name in names where !name.isEmpty && !seen.insert(name).inserted {
            reader.problem("\(what) has '\(name)' twice; each outlet needs a name of its own", at: node)
        }
    }

    // MARK: One outlet

    private static let receiverKeys = ["name", "url", "token_file", "token_env", "timeout", "private_addresses", "ca"]
    private static let choiceKeys = ["types", "areas", "severities", "rules"]

    private func webhook(_ node: Node, _ what: String, isSystem: Bool = false) -> OutletSettings.Webhook? {
        let own = ["secret_files", "secret_env", "retry_for", "max_in_flight", "begin"] + (isSystem ? ["adapter"] : [])
        let members = reader.mapping(node, what, known: Self.receiverKeys + Self.choiceKeys + own)
        var webhook = OutletSettings.Webhook()
        webhook.name = name(members["name"], node, what)
        webhook.receiver = receiver(members, node, what)
        webhook.choice = choice(members, what)
        webhook.secrets = secrets(members, what)
        for secret in webhook.secrets where !Self.isKey(secret.text) {
            reader.problem(
                "a key in \(what) is not whsec_ and 24 to 64 bytes in base64; make one: echo whsec_$(openssl rand -base64 32)",
                at: members["secret_files"] ?? members["secret_env"])
        }
        webhook.retryForMilliseconds =
            duration(members["retry_for"], "\(what).retry_for", 0...30 * 86_400_000) ?? webhook.retryForMilliseconds
        webhook.maxInFlight = whole(members["max_in_flight"], "\(what).max_in_flight", 1...256) ?? webhook.maxInFlight
        if isSystem {
            webhook.adapter = reader.choice(members["adapter"], "\(what).adapter", OutletSettings.adapters) ?? OutletSettings.adapters[0]
            // Alerts reach it as tasks, unless it asks for them.
            if webhook.choice.types.isEmpty { webhook.choice.types = ["patrol.task.*"] }
        }
        webhook.beginsWithOldest = reader.choice(members["begin"], "\(what).begin", ["now", "oldest"]) == "oldest"
        return webhook
    }

    private func alertmanager(_ node: Node, _ what: String) -> OutletSettings.Alertmanager? {
        let members = reader.mapping(node, what, known: Self.receiverKeys + Self.choiceKeys + ["resend"])
        var alertmanager = OutletSettings.Alertmanager()
        alertmanager.name = name(members["name"], node, what)
        alertmanager.receiver = receiver(members, node, what)
        alertmanager.choice = choice(members, what)
        alertmanager.resendMilliseconds =
            duration(members["resend"], "\(what).resend", 1000...3_600_000) ?? alertmanager.resendMilliseconds
        return alertmanager
    }

    // MARK: Parts that outlets share

    private func receiver(_ members: [String: Node], _ node: Node, _ what: String) -> OutletSettings.Receiver {
        var receiver = OutletSettings.Receiver()
        receiver.url = url(members["url"], node, what)
        receiver.token = secret(members["token_file"], members["token_env"], "\(what).token")
        receiver.timeoutMilliseconds =
            duration(members["timeout"], "\(what).timeout", 100...300_000) ?? receiver.timeoutMilliseconds
        receiver.allowsPrivateAddresses = privateAddresses(members["private_addresses"], what)
        receiver.caFile = file(members["ca"], "\(what).ca")
        return receiver
    }

    func name(_ node: Node?, _ parent: Node, _ what: String) -> String {
        guard let node else {
            reader.problem("\(what) needs a name: letters, digits, '-' and '_'", at: parent)
            return ""
        }
        let name = reader.text(node, "\(what).name") ?? ""
        let isGood = (1...Self.namesBytes).contains(name.utf8.count)
            && name.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5A).contains($0 & 0xDF) || $0 == 0x2D || $0 == 0x5F }
        if !isGood { reader.problem("\(what).name is 1 to \(Self.namesBytes) letters, digits, '-' and '_', not '\(name)'", at: node) }
        return name
    }

    func url(_ node: Node?, _ parent: Node, _ what: String) -> String {
        guard let node else {
            reader.problem("\(what) needs a url: https://host/path", at: parent)
            return ""
        }
        let text = reader.text(node, "\(what).url") ?? ""
        let parts = URLComponents(string: text)
        if parts?.scheme != "https" && parts?.scheme != "http" || parts?.host?.isEmpty ?? true {
            reader.problem("\(what).url is https://host/path or http://host/path, not '\(text)'", at: node)
        } else if parts?.user != nil || parts?.password != nil {
            reader.problem("\(what).url holds a user or password, which logs would show; use token_file or token_env", at: node)
        } else if parts?.fragment != nil {
            reader.problem("\(what).url has a fragment ('#'), which is never sent", at: node)
        }
        return text
    }

    func choice(_ members: [String: Node], _ what: String) -> OutletSettings.Choice {
        var choice = OutletSettings.Choice()
        choice.types = texts(members["types"], "\(what).types")
        choice.areas = texts(members["areas"], "\(what).areas")
        choice.severities = texts(members["severities"], "\(what).severities")
        choice.rules = texts(members["rules"], "\(what).rules")
        for type in choice.types where !type.hasPrefix("patrol.") {
            reader.problem("\(what).types: '\(type)' is no type; they begin with patrol., for example patrol.alert.*", at: members["types"])
        }
        for severity in choice.severities where !["info", "warning", "critical"].contains(severity) {
            reader.problem("\(what).severities: '\(severity)' is none of info, warning, critical", at: members["severities"])
        }
        return choice
    }

    func texts(_ node: Node?, _ what: String) -> [String] {
        guard let node else { return [] }
        if case .sequence(let list) = node { return list.compactMap { reader.text($0, what) } }
        return reader.text(node, what).map { [$0] } ?? []
    }

    func privateAddresses(_ node: Node?, _ what: String) -> Bool {
        reader.choice(node, "\(what).private_addresses", ["allow", "refuse"]) == "allow"
    }

    /// Secrets stand in files or in the environment, never in the settings.
    func secrets(_ members: [String: Node], _ what: String) -> [OutletSettings.Secret] {
        texts(members["secret_files"], "\(what).secret_files").compactMap { contents($0, "\(what).secret_files", members["secret_files"]) }
            + texts(members["secret_env"], "\(what).secret_env").compactMap { variable($0, "\(what).secret_env", members["secret_env"]) }
    }

    func secret(_ file: Node?, _ name: Node?, _ what: String) -> OutletSettings.Secret? {
        if let file, name != nil { reader.problem("\(what) stands in a file or in the environment, not in both", at: file) }
        if let file, let path = reader.text(file, "\(what)_file") { return contents(path, "\(what)_file", file) }
        if let name, let text = reader.text(name, "\(what)_env") { return variable(text, "\(what)_env", name) }
        return nil
    }

    private func contents(_ path: String, _ what: String, _ node: Node?) -> OutletSettings.Secret? {
        guard let data = FileManager.default.contents(atPath: resolve(path)) else {
            reader.problem("\(what): the file \(resolve(path)) cannot be read", at: node)
            return nil
        }
        let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        if text.isEmpty { reader.problem("\(what): the file \(resolve(path)) is empty", at: node) }
        return text.isEmpty ? nil : OutletSettings.Secret(text)
    }

    private func variable(_ name: String, _ what: String, _ node: Node?) -> OutletSettings.Secret? {
        if let value = environment[name], !value.isEmpty { return OutletSettings.Secret(value) }
        reader.problem("\(what): the environment has no \(name)", at: node)
        return nil
    }

    func duration(_ node: Node?, _ what: String, _ range: ClosedRange<Int64>) -> Int64? {
        guard let value = reader.duration(node, what) else { return nil }
        if range.contains(value) { return value }
        func plain(_ value: Int64) -> String { value % 86_400_000 == 0 ? "\(value / 86_400_000)d" : value % 1000 == 0 ? "\(value / 1000)s" : "\(value)ms" }
        reader.problem("\(what) is from \(plain(range.lowerBound)) to \(plain(range.upperBound))", at: node)
        return nil
    }

    func whole(_ node: Node?, _ what: String, _ range: ClosedRange<Int>) -> Int? {
        guard let node, let text = reader.text(node, what) else { return nil }
        if let value = Int(text), range.contains(value) { return value }
        reader.problem("\(what) is a whole number from \(range.lowerBound) to \(range.upperBound), not '\(text)'", at: node)
        return nil
    }

    func file(_ node: Node?, _ what: String) -> String? {
        guard let node, let path = reader.text(node, what) else { return nil }
        if !FileManager.default.isReadableFile(atPath: resolve(path)) {
            reader.problem("\(what): the file \(resolve(path)) cannot be read", at: node)
        }
        return resolve(path)
    }
}
