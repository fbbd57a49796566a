extension Console {
    /// Light and dark as the system is set. No meaning stands in colour alone: states are words, firing marks are larger.
    static let style = #"""
        :root {
          color-scheme: light dark;
          --ground: #f3f5f7; --panel: #ffffff; --line: #c9d1d9; --text: #1b2530; --dim: #566472; --accent: #0b5cad;
          --info: #2f6fb2; --warning: #9a6200; --critical: #b3211b; --good: #1c7a3a; --fresh: #e6f0fb;
          --noise: #2f6fb2; --vehicle: #1c7a3a; --bodycam: #7c8894;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --ground: #0e1319; --panel: #171d25; --line: #333d48; --text: #dbe2e9; --dim: #9aa7b4; --accent: #79b8ff;
            --info: #79b8ff; --warning: #e5ac3d; --critical: #ff7b72; --good: #57c273; --fresh: #1f2c3c;
            --noise: #79b8ff; --vehicle: #57c273; --bodycam: #97a3af;
          }
        }
        * { box-sizing: border-box }
        body { margin: 0; background: var(--ground); color: var(--text);
          font: 14px/1.4 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif }
        h1 { font-size: 17px; margin: 0 }
        h2 { font-size: 14px; margin: 0 0 6px }
        p { margin: 6px 0 0 }
        header { display: flex; gap: 8px 16px; align-items: center; flex-wrap: wrap; padding: 8px 12px;
          background: var(--panel); border-bottom: 1px solid var(--line) }
        footer { padding: 0 12px 12px; color: var(--dim); overflow-wrap: anywhere; font-variant-numeric: tabular-nums }
        .grow { flex: 1 }
        .dim { color: var(--dim); font-size: 12px }
        .good { color: var(--good) }
        .bad { color: var(--critical); font-weight: 600 }
        .notice { margin: 0; padding: 8px 12px; background: var(--critical); color: var(--panel); font-weight: 600 }
        button { font: inherit; color: var(--text); background: var(--panel); border: 1px solid var(--line); border-radius: 5px;
          padding: 3px 10px; cursor: pointer }
        button[aria-pressed="true"] { border-color: var(--accent); box-shadow: inset 0 -2px 0 var(--accent); font-weight: 600 }
        button.where { border: 0; background: none; padding: 0; text-align: left; color: inherit; font-weight: 600;
          text-decoration: underline dotted var(--dim); text-underline-offset: 3px }
        :focus-visible { outline: 3px solid var(--accent); outline-offset: 1px }
        main { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 10px; padding: 10px 12px }
        .stack { display: grid; gap: 10px; align-content: start; min-width: 0 }
        section { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 8px 10px; min-width: 0 }
        ol { list-style: none; margin: 0; padding: 0; overflow-y: auto; max-height: calc((100vh - 200px) / 2); min-height: 80px }
        li { border-left: 4px solid var(--line); border-bottom: 1px solid var(--line); padding: 4px 8px;
          display: grid; grid-template-columns: 64px minmax(0, 1fr) auto; gap: 0 10px }
        li > time, .value, .due, td { font-variant-numeric: tabular-nums }
        li > time { color: var(--dim) }
        li.none { display: block; border: 0; color: var(--dim) }
        li.info { border-left-color: var(--info) }
        li.warning { border-left-color: var(--warning) }
        li.critical { border-left-color: var(--critical); border-left-width: 8px }
        li.done { opacity: .65 }
        li.fresh { background: var(--fresh) }
        .what { min-width: 0; overflow-wrap: anywhere }
        .what small { display: block; color: var(--dim) }
        .value { text-align: right; white-space: nowrap }
        .value small { display: block; color: var(--dim) }
        .dues { grid-column: 2 / -1; display: flex; flex-wrap: wrap; gap: 0 14px }
        .due.late { color: var(--critical); font-weight: 700 }
        .due.met { color: var(--dim) }
        #map { height: 46vh; min-height: 240px; background: var(--ground); border: 1px solid var(--line); position: relative }
        #map canvas { display: block }
        #map.plain canvas { width: 100%; height: 100% }
        .area-name { color: var(--dim); font-size: 12px; white-space: nowrap; text-align: center;
          text-shadow: 0 0 3px var(--ground), 0 0 3px var(--ground) }
        #kinds { display: flex; flex-wrap: wrap; gap: 6px; margin-bottom: 6px }
        .scroll { overflow-x: auto }
        table { border-collapse: collapse; width: 100% }
        th { text-align: left; font-weight: 400; color: var(--dim) }
        th, td { padding: 2px 10px 2px 0; white-space: nowrap; border-bottom: 1px solid var(--line) }
        @media (max-width: 800px) {
          main { grid-template-columns: minmax(0, 1fr); padding: 8px }
          ol { max-height: 45vh }
          li { grid-template-columns: 58px minmax(0, 1fr) auto; gap: 0 6px; padding: 4px 6px }
        }

        """#
}
