extension Console {
    /// Script, part 2: what the page knows, and the helpers of all parts. Strings from outside become text nodes only.
    static let state = #"""
        const page = {
          alerts: new Map(), tasks: new Map(), titles: new Map(), areas: new Map(), devices: new Map(), newest: new Map(),
          positions: [], summary: null, readiness: null, connected: false, lastContact: null, kind: "noise",
          clockOffset: 0, fresh: new Set()
        };
        const keptRows = 200, openLimit = 1000, shownReadings = 10, heardMilliseconds = 300000;
        const kinds = ["noise", "vehicle", "bodycam"];

        const remembered = { get: k => { try { return localStorage.getItem(k) } catch { return null } },
          set: (k, v) => { try { localStorage.setItem(k, v) } catch {} } };
        let language = remembered.get("patrol-language");
        if (language !== "zh" && language !== "en") language = navigator.language.startsWith("zh") ? "zh" : "en";
        const say = key => (Object.hasOwn(words[language], key) ? words[language][key] : key);

        const $ = id => document.getElementById(id);
        function make(tag, name, text) {
          const element = document.createElement(tag);
          if (name) element.className = name;
          if (text != null) element.textContent = text;
          return element;
        }
        async function get(path) {
          const answer = await fetch(path, { cache: "no-store" });
          if (!answer.ok && answer.status !== 503) throw new Error(`${path}: ${answer.status}`);
          return answer.json();
        }

        // The server's clock: due times are its, and the computer of the page may be minutes off.
        const serverNow = () => Date.now() + page.clockOffset;
        let timeFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
        let dateFormat = timeFormat;
        function useTimezone(zone) {
          try {
            timeFormat = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
            dateFormat = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
          } catch { /* a zone that this browser does not know: its own is shown */ }
        }
        const time = milliseconds => timeFormat.format(milliseconds);
        function span(milliseconds) {
          const seconds = Math.max(0, Math.floor(milliseconds / 1000)), two = n => String(n).padStart(2, "0");
          const hours = Math.floor(seconds / 3600);
          return (hours ? hours + ":" : "") + two(Math.floor(seconds / 60) % 60) + ":" + two(seconds % 60);
        }
        const number = n => (n == null ? "–" : n.toLocaleString("en"));

        // Codes come with 6, 9 or 12 digits; trailing zeros say nothing.
        const shortCode = code => String(code).replace(/(000)+$/, "");
        const areaName = code => (!code || code === "unknown" ? say("unknown") : page.areas.get(shortCode(code)) || String(code));
        function ruleTitle(rule) {
          const title = page.titles.get(rule);
          return (title && (title[language] || title.en)) || rule;
        }
        const deviceOf = (kind, id) => page.devices.get(kind + " " + id);
        const isOpen = alert => alert.state !== "resolved";
        const closedStages = new Set(["closed", "cancelled"]);
        const isOpenTask = task => !closedStages.has(task.stage);

        // The three clocks of a task, each ended by the stage that answers it.
        const stages = ["reported", "accepted", "assigned", "acknowledged", "set_out", "on_scene", "disposed", "feedback",
          "verified", "closed"];
        const clocks = [["respond", "respond_due", "acknowledged"], ["setOut", "set_out_due", "set_out"],
          ["dispose", "dispose_due", "disposed"]];
        const isMet = (task, until) => stages.indexOf(task.stage) >= stages.indexOf(until) || !isOpenTask(task);
        const isOverdue = task => clocks.some(([, due, until]) => !isMet(task, until) && task[due] <= serverNow());

        let queued = false;
        function later() {
          if (queued) return;
          queued = true;
          requestAnimationFrame(() => { queued = false; draw() });
        }
        """#
}
