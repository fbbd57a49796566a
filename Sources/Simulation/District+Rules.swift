extension District {
    /// The demo's rules, in the language of rule files. `for` is short, so that the first alerts come within seconds.
    public static let rules = """
        rules:
          - id: noise-over-70
            title: { en: "Noise over 70 dB", zh: "噪声超过70分贝" }
            on: noise
            condition: { metric: laeq, above: 70, for: 5s, clear_below: 68 }
            severity: warning
            task: { kind: noise-check }
          - id: camera-battery-low
            title: { en: "Body camera battery low", zh: "执法记录仪电量低" }
            on: bodycam
            condition: { metric: battery, below: 15, clear_above: 20 }
            severity: info
          - id: camera-sos
            title: { en: "Officer calls for help", zh: "队员求助" }
            on: bodycam
            condition: { metric: sos, above: 0.5 }
            severity: critical
            task: { kind: officer-help }

        """
}
