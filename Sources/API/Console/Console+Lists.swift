extension Console {
    /// Script, part 4: alerts, tasks, devices and accounts.
    static let lists = #"""
        // Rows are kept by key and made anew only when they change, so that focus and scrolling stay where they are.
        function fill(list, items, keyOf, signatureOf, build) {
          const old = new Map([...list.children].filter(e => e.dataset.key).map(e => [e.dataset.key, e]));
          const rows = items.map(item => {
            const key = keyOf(item), signature = JSON.stringify(signatureOf(item));
            const known = old.get(key);
            if (known && known.dataset.signature === signature) return known;
            const row = build(item);
            row.dataset.key = key;
            row.dataset.signature = signature;
            return row;
          });
          if (!rows.length && list.tagName === "OL") rows.push(make("li", "none", say("none")));
          if (rows.length === list.children.length && rows.every((row, i) => row === list.children[i])) return;
          const focused = document.activeElement, top = list.scrollTop;
          const focusedKey = list.contains(focused) && focused !== list ? focused.closest("[data-key]").dataset.key : null;
          list.replaceChildren(...rows);
          list.scrollTop = top;
          const again = focusedKey && rows.find(row => row.dataset.key === focusedKey);
          if (again) (again.querySelector("button") || again).focus({ preventScroll: true });
        }
        function place(kind, id, text) {
          const button = make("button", "where", text);
          button.type = "button";
          button.addEventListener("click", () => showOnMap(kind, id));
          return button;
        }
        const changedAt = a => a.resolved_at || a.fired_at || a.started_at;
        const freshClass = id => (page.fresh.has(id) ? " fresh" : "");

        function drawAlerts() {
          const all = [...page.alerts.values()].filter(a => a.state !== "pending")
            .sort((a, b) => isOpen(b) - isOpen(a) || changedAt(b) - changedAt(a));
          const open = all.filter(isOpen).length;
          $("alerts-title").textContent = `${say("alerts")} · ${say("open")} ${open}`;
          fill($("alerts"), all.slice(0, Math.max(keptRows, open)), a => a.id,
            a => [a.state, a.value, changedAt(a), page.fresh.has(a.id), language, ruleTitle(a.rule), areaName(a.area), a.name], a => {
              const row = make("li", a.severity + (isOpen(a) ? "" : " done") + freshClass(a.id));
              const what = make("div", "what"), value = make("div", "value");
              const device = deviceOf(a.kind, a.device);
              what.append(place(a.kind, a.device, ruleTitle(a.rule)),
                make("small", "", [a.name || (device && device.name), a.device, areaName(a.area)].filter(Boolean).join(" · ")));
              const title = page.titles.get(a.rule);
              value.append(make("b", "", `${a.value.toFixed(1)} ${title && title.unit || ""}`),
                make("small", "", `${say(a.state)} · ${say(a.severity)}`));
              row.append(make("time", "", time(changedAt(a))), what, value);
              return row;
            });
        }

        function drawTasks() {
          const all = [...page.tasks.values()].sort((a, b) => isOpenTask(b) - isOpenTask(a) || b.created_at - a.created_at);
          const open = all.filter(isOpenTask);
          $("tasks-title").textContent = `${say("tasks")} · ${say("open") === "open" ? "open" : "未办结"} ${open.length} · ${say("overdue")} ${open.filter(isOverdue).length}`;
          fill($("tasks"), all.slice(0, Math.max(keptRows, open.length)), t => t.id,
            t => [t.stage, t.unit, t.device, page.fresh.has(t.id), language, areaName(t.area), page.alerts.has(t.alert_id)], t => {
              const row = make("li", (isOpenTask(t) ? "" : "done") + freshClass(t.id));
              const alert = page.alerts.get(t.alert_id), what = make("div", "what"), value = make("div", "value");
              what.append(alert ? place(alert.kind, alert.device, say(t.kind)) : make("b", "", say(t.kind)),
                make("small", "", [alert && (alert.name || alert.device) || t.device, areaName(t.area)].filter(Boolean).join(" · ")));
              value.append(make("b", "", say(t.stage)), make("small", "", t.unit ? `${say("unit")} ${t.unit}` : t.id));
              const dues = make("div", "dues");
              for (const [label, due, until] of clocks) {
                const clock = make("span", "due");
                Object.assign(clock.dataset, { label, due: t[due], met: isMet(t, until) ? "1" : "" });
                dues.append(clock);
              }
              row.append(make("time", "", time(t.created_at)), what, value, dues);
              return row;
            });
          runClocks();
        }

        // Every second: what is left, or for how long it is overdue.
        function runClocks() {
          const now = serverNow();
          for (const clock of document.querySelectorAll(".due")) {
            const { label, due, met } = clock.dataset, left = Number(due) - now, late = !met && left <= 0;
            const text = `${say(label)} ` + (met ? `✓ ${say("met")}` : late ? `${say("over")} ${span(-left)}` : span(left));
            if (clock.textContent !== text) clock.textContent = text;
            clock.className = "due" + (met ? " met" : late ? " late" : "");
          }
          $("clock").textContent = dateFormat.format(now);
        }

        function readingText(kind, r) {
          if (kind === "noise") return `${r.laeq.toFixed(1)} dB(A)`;
          if (kind === "vehicle") return r.ignition === 0 ? say("stopped") : r.speed_kmh == null ? "" : `${r.speed_kmh.toFixed(0)} km/h`;
          return [r.battery == null ? "" : `${say("battery")} ${r.battery.toFixed(0)} %`, r.charging ? say("charging") : "",
            r.recording ? say("recording") : ""].filter(Boolean).join(" · ");
        }
        function drawDevices() {
          const now = serverNow();
          $("devices-title").textContent = say("devices");
          fill($("kinds"), kinds, k => k, k => {
            const heard = [...page.newest.values()].filter(r => r.kind === k && now - r.received < heardMilliseconds).length;
            const total = Math.max([...page.devices.values()].filter(d => d.kind === k).length, heard);
            return [language, page.kind === k, heard, total];
          }, k => {
            const heard = [...page.newest.values()].filter(r => r.kind === k && now - r.received < heardMilliseconds).length;
            const total = Math.max([...page.devices.values()].filter(d => d.kind === k).length, heard);
            const button = make("button", "", `${say(k)} ${heard}/${total}`);
            button.type = "button";
            button.title = say("heard");
            button.setAttribute("aria-pressed", page.kind === k);
            button.addEventListener("click", () => { page.kind = k; later() });
            return button;
          });
          $("columns").replaceChildren(...["device", "name", "area", "value", "seen"].map(c => make("th", "", say(c))));
          const rows = [...page.newest.values()].filter(r => r.kind === page.kind).sort((a, b) => b.ts - a.ts).slice(0, shownReadings);
          fill($("readings"), rows, r => r.device, r => [r.ts, language, Math.floor((now - r.ts) / 1000)], r => {
            const row = make("tr"), device = deviceOf(r.kind, r.device), cell = make("td");
            cell.append(place(r.kind, r.device, r.device));
            row.append(cell, ...[device && device.name, areaName(device && device.area), readingText(r.kind, r),
              `${time(r.ts)} (${span(now - r.ts)}${say("ago")})`].map(t => make("td", "", t || "")));
            return row;
          });
        }

        function drawHead() {
          document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
          $("language").textContent = say("other");
          $("link").textContent = `● ${say(page.connected ? "up" : "down")}`;
          $("link").className = page.connected ? "good" : "bad";
          $("notice").hidden = page.connected || !page.lastContact;
          if (page.lastContact) $("notice").textContent = say("lost")(time(page.lastContact));
          const r = page.connected ? page.readiness : null;
          $("ready").textContent = r ? (r.ready ? say("ready") : say("notReady") + r.reasons.join("; ")) : "";
          $("ready").className = r && !r.ready ? "bad" : "good";
          const s = page.summary;
          if (!s) return;
          const sum = s.stored + s.duplicate + s.rejected + s.dropped;
          const shown = Object.fromEntries(Object.entries(s).map(([k, v]) => [k, number(v)]));
          $("accounts").textContent = say("accounts")(shown) + say(sum === s.received ? "balanced" : "unbalanced");
        }
        function draw() { drawHead(); drawAlerts(); drawTasks(); drawDevices(); drawMap() }
        """#
}
