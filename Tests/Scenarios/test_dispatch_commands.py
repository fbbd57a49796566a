"""Every command of dispatching on a store at rest, in both languages and for programs."""
import json
import subprocess

from support import PATROL, Folder, patrol, query


class AtRest(Folder):
    def setUp(self):
        super().setUp()
        lines = [f'patrol/v1/in/gw/bodycam/cam-{n} {{"ts": {1717768790000 + n}, "battery": 80, "lat": 30.29, "lon": {120 + n / 1000}, "acc_m": 5}}' for n in (1, 2)]
        for device in "mn":
            lines += [f'patrol/v1/in/gw/noise/{device} {{"ts": {1717768800000 + s * 1000}, "laeq": {level}, "seq": {s}}}'
                      for s, level in enumerate([60, 75, 75, 75, 75])]
        self.path("rules.yaml", """
rules:
  - { id: loud, on: noise, condition: { metric: laeq, above: 70, for: 3s }, severity: warning, task: { kind: noise-check } }
  - { id: gone, on: noise, condition: { metric: laeq, above: 74 }, severity: info, latched: true }
""")
        self.path("units.csv", "id,kind,device,officer\nu-1,foot,cam-1,李强\nu-2,foot,cam-2,赵刚\n")
        self.path("sites.geojson", json.dumps({"type": "FeatureCollection", "features": [
            {"type": "Feature", "geometry": {"type": "Point", "coordinates": [120, 30.29 + n / 1000]}, "properties": {"id": f"s{n}", "kind": "x"}} for n in (1, 2)]}))
        self.store = self.path("patrol.db")
        self.config = self.path("patrol.yaml", 'broker: { url: "mqtt://127.0.0.1:1" }\nstore: { path: patrol.db }\nunits: units.csv\nsites: sites.geojson\n'
                                               "rules: [rules.yaml]\ndispatch: dispatch.yaml\n")
        self.path("dispatch.yaml", "mode: manual\n")
        self.assertEqual(patrol("replay", self.path("r.txt", "\n".join(lines) + "\n"), "--into", self.store, "--rules", self.path("rules.yaml")).returncode, 0)

    def change(self, *arguments, who="王敏", code=0, **more):
        result = patrol(*arguments, "--as", who, "--config", self.config, "--format", "json", *[w for k, v in more.items() for w in ("--" + k, v)])
        self.assertEqual(result.returncode, code, f"{arguments}: {result.stderr}{result.stdout}")
        return json.loads(result.stdout) if code == 0 else result.stderr

    def look(self, *arguments, code=0):
        result = patrol(*arguments, "--config", self.config)
        self.assertEqual(result.returncode, code, f"{arguments}: {result.stderr}")
        return result.stdout

    def rows(self, *arguments):
        return [json.loads(line) for line in self.look(*arguments, "--format", "json").splitlines()]

    def test_the_life_of_a_task_by_commands(self):
        self.assertEqual(len(self.rows("tasks", "list")), 2)
        task = self.rows("tasks", "list")[0]["id"]
        short = next(task[:n] for n in range(2, 18) if len([r for r in self.rows("tasks", "list") if r["id"].startswith(task[:n])]) == 1)
        self.assertEqual(self.change("tasks", "accept", short)["stage"], "accepted")
        self.change("tasks", "assign", short, "u-1")
        self.assertIn("u-1 was sent by 王敏", self.change("tasks", "assign", short, "u-2", who="李四", code=1))
        self.change("tasks", "assign", short, "u-2", who="李四", instead="u-1")
        self.change("tasks", "ack", short, who="赵刚", role="officer")
        self.change("tasks", "return", short, who="赵刚", role="officer", why="called away")
        self.change("tasks", "transfer", short, "market", why="theirs")
        self.change("tasks", "assign", short, "u-2")
        self.change("tasks", "suspend", short, why="rain", until="2h")
        self.change("tasks", "resume", short)
        self.change("tasks", "set-out", short, who="赵刚", role="officer")
        self.change("tasks", "arrive", short, who="赵刚", role="officer", lat="30.29", lon="120")
        self.change("tasks", "joint", short, "market", "fire")
        self.change("tasks", "dispose", short, who="赵刚", role="officer")
        self.assertIn("'department' is one of market, fire", self.change("tasks", "feedback", short, text="x", verdict="gone", code=1))
        for department in ["market", "fire"]:
            self.change("tasks", "feedback", short, who="赵刚", role="officer", department=department, text="quiet", verdict="gone")
        self.assertIn("needs another person", self.change("tasks", "verify", short, who="赵刚", role="checker", code=1))
        self.change("tasks", "verify", short, who="孙", role="checker")
        self.change("tasks", "plan", short, at="2099-01-01T08:00")
        self.change("tasks", "comment", short, "told the caller")
        self.change("tasks", "close", short)
        self.change("tasks", "reopen", short, why="it is loud again")
        self.change("tasks", "cancel", short, why="by mistake")
        shown = self.rows("tasks", "show", short)[0]
        self.assertEqual([p["department"] for p in shown["parts"]], ["market", "fire"])
        self.assertEqual([len(shown[k]) for k in ("plans", "feedback", "sources")], [1, 2, 1])
        self.assertIn("计划回访", self.look("tasks", "show", short, "--lang", "zh"))
        self.assertIn("作废", self.look("tasks", "list", "--stage", "all", "--lang", "zh"))

    def test_leads_merge_split_and_watch(self):
        first, second = [row["id"] for row in self.rows("tasks", "list")]
        new = self.change("tasks", "new", matter="dust", lat="30.2911", lon="120", text="a heap", source="n-1")
        self.assertEqual(self.change("tasks", "new", matter="dust", lat="30.2911", lon="120", source="n-1")["id"], new["id"])
        self.assertEqual(query(self.store, "SELECT site, events FROM task WHERE id = ?", new["id"]), [("s1", 1)])
        self.assertIn("no site has the id 's9'", self.change("tasks", "new", matter="dust", site="s9", code=1))
        self.change("tasks", "merge", second, first)
        alert = query(self.store, "SELECT id FROM alert WHERE rule = 'loud' ORDER BY id")[0][0]
        self.change("tasks", "split", first, alert)
        self.assertIn("没有自动派单记录", self.look("tasks", "explain", first, "--lang", "zh"))
        process = subprocess.Popen([PATROL, "tasks", "watch", "--store", self.store, "--lang", "zh"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.terminate)
        self.assertIn("编号", process.stdout.readline())

    def test_one_key_dispatch(self):
        self.assertIn("--area", patrol("dispatch", "all", "--to", "s1", "--as", "王敏", "--store", self.store).stderr)
        order = self.change("dispatch", "all", area="330110", to="30.29,120", why="exam night")
        self.assertEqual(sorted(member["unit"] for member in order["crew"]), ["u-1", "u-2"])
        self.change("tasks", "ack", order["id"], who="李强", role="officer")
        self.change("tasks", "arrive", order["id"], who="王敏", unit="u-2")
        self.assertEqual({row["unit"]: row["stage"] for row in self.rows("dispatch", "show", order["id"])}, {"u-1": "acknowledged", "u-2": "on_scene"})
        self.assertIn("到场", self.look("dispatch", "show", order["id"], "--lang", "zh"))
        self.assertIn("nobody is free", self.change("dispatch", "all", area="330110", to="s1", code=1))
        for verb, fields in [("dispose", {}), ("feedback", {"text": "quiet"}), ("close", {})]:
            self.change("tasks", verb, order["id"], **fields)
        self.assertEqual([row["task"] for row in self.rows("units", "list")], [None, None])

    def test_units_and_alerts(self):
        self.assertEqual(self.change("units", "off", "u-1", why="ill")["duty"], "off")
        self.change("units", "on", "u-2")
        self.assertEqual([row["id"] for row in self.rows("units", "list", "--free")], ["u-2"])
        self.change("units", "on", "u-1")
        self.change("units", "shift", "u-1")
        self.assertIn("officers", self.rows("units", "show", "u-1")[0])
        self.look("units", "where", "--near", "30.29,120", "--lang", "zh")
        alerts = self.rows("alerts", "list")
        self.assertEqual(len(alerts), 4)
        alert = next(a["id"] for a in alerts if a["rule"] == "loud")
        self.change("alerts", "ack", alert, why="seen")
        self.change("alerts", "comment", alert, "told them")
        self.assertEqual(self.rows("alerts", "show", alert)[0]["acknowledged_by"], "王敏")
        self.assertIn("确认人", self.look("alerts", "list", "--lang", "zh"))
        process = subprocess.Popen([PATROL, "alerts", "watch", "--store", self.store, "--format", "json"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.terminate)
        self.assertIn('"id"', process.stdout.readline())

    def test_the_report_in_every_form(self):
        base = ["report", "dispatch", "--period", "2024-06"]
        rows = self.rows(*base)
        self.assertEqual({row["group"] for row in rows}, {"all", "area", "kind", "hour"})
        self.assertEqual(rows[0]["tasks"], 2)
        csv = self.look(*base, "--format", "csv").splitlines()
        self.assertEqual((csv[0].split(",")[:3], len(csv)), (["group", "name", "tasks"], len(rows) + 1))
        self.assertIn("<table>", self.look(*base, "--format", "html"))
        self.assertIn("任务数", self.look(*base, "--lang", "zh"))
        self.assertEqual(patrol("report", "dispatch", "--period", "soon", "--store", self.store).returncode, 2)
