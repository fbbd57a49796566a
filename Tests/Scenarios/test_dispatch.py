"""The story of a June night, from the meter to the closed loop, by the commands that people type."""
import json
import time

from support import Live, patrol, query, until


class JuneNight(Live):
    """A meter beside a school in 仓前 is loud on an exam night; the nearest officer goes and measures."""

    def more_settings(self):
        self.path("devices.csv", "id,kind,gateway,area,site,lat,lon\n"
                  "m1,noise,gw,330110012,s1,30.2741,120.0151\n"
                  "cam-1,bodycam,gw,330110012,,,\ncam-2,bodycam,gw,330110012,,,\ncam-3,bodycam,gw,330110005,,,\n")
        self.path("units.csv", "id,kind,device,officer,team,areas,shift,capabilities\n"
                  "foot-1,foot,cam-1,李强,一中队,330110012,,noise\nfoot-2,foot,cam-2,赵刚,一中队,330110012,,noise\n"
                  "foot-3,foot,cam-3,孙力,二中队,330110005,,noise\n")
        self.path("dispatch.yaml", "kinds: { noise-check: { capabilities: [noise] } }\n"
                  "escalation: [{ after: 1m, unless: acknowledged, tell: town }]\n")
        return "devices: devices.csv\nunits: units.csv\ndispatch: dispatch.yaml"

    def change(self, *arguments, who="王敏", role="operator"):
        result = patrol("tasks", *arguments, "--as", who, "--role", role, "--store", self.store, "--format", "json")
        return result, json.loads(result.stdout) if result.returncode == 0 else None

    def night(self):
        """Fixes and noise; the id of the task that comes of it."""
        now = int(time.time())
        for number, lat in enumerate([30.2800, 30.2750, 30.2742], 1):
            self.publish(f"cam-{number}", json.dumps({"ts": (now - 12) * 1000, "battery": 80, "lat": lat, "lon": 120.0151, "acc_m": 8}), kind="bodycam")
        for second, level in enumerate([50, 71, 72, 73, 60]):
            self.publish("m1", json.dumps({"ts": (now - 10 + second) * 1000, "laeq": level, "seq": second}))
        self.assertTrue(until(lambda: query(self.store, "SELECT stage FROM task") == [("assigned",)]), self.said())
        return query(self.store, "SELECT id FROM task")[0][0]

    def work(self, task, level, verdict):
        officer = dict(who="李强", role="officer")
        for verb in ["ack", "set-out", "arrive", "dispose"]:
            result, answer = self.change(verb, task[:6], **officer)
            self.assertEqual(result.returncode, 0, result.stderr)
        wrong, _ = self.change("feedback", task, "--instrument", "AWA6228+ 001", "--laeq", "400", "--period", "10m", "--limit", "55",
                               "--verdict", "exceeded", **officer)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("from 10 to 160 dB(A), not 400", wrong.stderr)
        early, _ = self.change("close", task)
        self.assertIn("close is not possible", early.stderr)
        self.assertIn("possible now: feedback", early.stderr)
        result, _ = self.change("feedback", task, "--instrument", "AWA6228+ 001", "--laeq", str(level), "--period", "10m", "--limit", "55",
                                "--verdict", verdict, "--measure", "leaflet handed over", **officer)
        self.assertEqual(result.returncode, 0, result.stderr)
        result, answer = self.change("close", task, "--why", "told the caller")
        self.assertEqual((result.returncode, answer["stage"]), (0, "closed"), result.stderr)

    def test_within_the_limit(self):
        task = self.night()
        # cam-3 is nearest and of another town; of the two that may go, cam-2 is nearer.
        self.assertEqual(query(self.store, "SELECT unit FROM task"), [("foot-2",)])
        choice = json.loads(patrol("tasks", "explain", task[:5], "--store", self.store, "--format", "json").stdout)
        self.assertEqual([(c["unit"], c["reason"]) for c in choice["candidates"]],
                         [("foot-3", "other_area"), ("foot-2", "eligible"), ("foot-1", "eligible")])
        self.assertIn("非本辖区", patrol("tasks", "explain", task, "--store", self.store, "--lang", "zh").stdout)
        # The operator knows better.
        result, answer = self.change("assign", task, "foot-1")
        self.assertEqual(answer["unit"], "foot-1", result.stderr)
        self.assertIn("foot-1", patrol("tasks", "list", "--store", self.store).stdout)
        self.work(task, 52.1, "within")
        shown = json.loads(patrol("tasks", "show", task, "--store", self.store, "--format", "json").stdout)
        self.assertEqual([event["what"] for event in shown["events"]],
                         ["reported", "assigned", "assigned", "acknowledged", "set_out", "on_scene", "disposed", "feedback", "closed"])
        self.assertEqual((shown["feedback"][0]["laeq"], shown["feedback"][0]["verdict"]), (52.1, "within"))
        report = [json.loads(line) for line in patrol("report", "dispatch", "--store", self.store, "--period", "1d", "--format", "json").stdout.splitlines()]
        self.assertEqual((report[0]["tasks"], report[0]["within_1m"], report[0]["outcomes"]), (1, 1.0, "within 1"))
        self.assertIn("<table>", patrol("report", "dispatch", "--store", self.store, "--format", "html").stdout)
        text = patrol("report", "dispatch", "--store", self.store).stdout
        self.assertIn("loud", text)
        self.assertIn("100.0 %", text)

    def test_over_the_limit(self):
        task = self.night()
        self.change("assign", task, "foot-1")
        self.work(task, 61, "exceeded")
        self.assertEqual(query(self.store, "SELECT verdict, corrected FROM task_feedback"), [("exceeded", 61.0)])

    def test_units_by_hand(self):
        task = self.night()
        result = patrol("units", "off", "foot-2", "--as", "王敏", "--store", self.store)
        self.assertIn("still on " + task, result.stdout, result.stderr)
        self.assertEqual(query(self.store, "SELECT duty FROM unit WHERE id = 'foot-2'"), [("off",)])
        self.assertIn("foot-1", patrol("units", "list", "--free", "--store", self.store).stdout)
        self.assertTrue(until(lambda: query(self.store, "SELECT count(*) FROM unit WHERE lat IS NOT NULL")[0][0] == 3, 20))
        near = patrol("units", "where", "--near", "30.2741,120.0151", "--store", self.store, "--format", "json").stdout
        self.assertEqual([json.loads(line)["id"] for line in near.splitlines()], ["foot-3", "foot-2", "foot-1"])
        self.assertEqual(patrol("units", "where", "--near", "91,0", "--store", self.store).returncode, 2)
