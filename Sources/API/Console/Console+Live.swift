extension Console {
    /// Script, part 5: what is fetched and followed. The lists are read anew at each connection, so that nothing is missing
    /// after a restart of Patrol, whatever the stream still holds.
    static let live = #"""
        function learn(list, item) { list.set(item.id, { ...list.get(item.id), ...item }) }
        function forget(map, isKept, at) {
          const done = [...map.values()].filter(x => !isKept(x)).sort((a, b) => at(b) - at(a));
          for (const x of done.slice(keptRows)) map.delete(x.id);
        }
        async function loadLists() {
          const [about, titles, open, recent, tasks] = await Promise.all([get("/api/v1/about"), get("/api/v1/titles"),
            get(`/api/v1/alerts?state=firing&limit=${openLimit}`), get(`/api/v1/alerts?limit=${keptRows}`),
            get(`/api/v1/tasks?limit=${openLimit}`)]);
          page.clockOffset = about.now - Date.now();
          useTimezone(about.timezone);
          page.areas = new Map(about.areas.map(a => [shortCode(a.code), a.name]));
          for (const t of titles.items) page.titles.set(t.rule, t);
          page.alerts.clear();
          page.tasks.clear();
          for (const a of [...recent.items, ...open.items]) learn(page.alerts, a);
          for (const t of tasks.items) learn(page.tasks, t);
          later();
        }
        async function loadDevices() {
          let cursor = "", devices = new Map();
          for (let i = 0; i < 20; i++) {
            const part = await get("/api/v1/devices?limit=1000" + (cursor && "&cursor=" + encodeURIComponent(cursor)));
            for (const d of part.items) devices.set(d.kind + " " + d.id, d);
            if (!part.next) break;
            cursor = part.next;
          }
          page.devices = devices;
          later();
        }
        async function loadReadings(limit) {
          for (const kind of kinds) {
            for (const r of (await get(`/api/v1/readings?kind=${kind}&limit=${limit}`)).items) {
              const key = kind + " " + r.device, known = page.newest.get(key);
              if (!known || known.ts < r.ts) page.newest.set(key, { ...r, kind });
            }
          }
          page.positions = (await get("/api/v1/positions")).items;
          later();
        }
        async function glance() {
          try {
            [page.summary, page.readiness] = await Promise.all([get("/api/v1/summary"), get("/readyz")]);
            page.lastContact = serverNow();
            if (stream && stream.readyState === EventSource.OPEN) page.connected = true;
          } catch { page.connected = false }
          later();
        }
        function mark(id) {
          page.fresh.add(id);
          setTimeout(() => { page.fresh.delete(id); later() }, 4000);
        }

        let stream = null;
        function follow() {
          stream = new EventSource("/api/v1/stream");
          stream.onopen = () => {
            page.connected = true;
            Promise.all([loadLists(), loadDevices()]).catch(() => {});
            glance();
          };
          stream.onerror = () => {
            page.connected = false;
            later();
            // The browser tries again by itself but where the answer was no stream.
            if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
          };
          stream.addEventListener("gap", () => loadLists().catch(() => {}));
          stream.addEventListener("alert", e => {
            const data = JSON.parse(e.data).data;
            page.titles.set(data.rule, { ...data.title, unit: data.unit });
            learn(page.alerts, data);
            forget(page.alerts, isOpen, a => a.started_at);
            mark(data.id);
            later();
          });
          stream.addEventListener("task", e => {
            const data = JSON.parse(e.data).data;
            learn(page.tasks, data);
            forget(page.tasks, isOpenTask, t => t.created_at);
            mark(data.id);
            later();
          });
        }

        // One call at a time: a slow answer is waited for and not asked for again.
        function every(milliseconds, work) {
          const again = () => work().catch(() => {}).finally(() => setTimeout(again, milliseconds));
          again();
        }
        $("language").addEventListener("click", () => {
          language = language === "zh" ? "en" : "zh";
          remembered.set("patrol-language", language);
          later();
        });
        view.start();
        let first = true;
        every(2000, glance);
        every(5000, () => { const limit = first ? 1000 : 300; first = false; return loadReadings(limit) });
        every(60000, loadDevices);
        setInterval(runClocks, 1000);
        follow();
        later();
        """#
}
