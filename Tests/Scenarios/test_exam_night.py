"""The README's tour on the delivered district: an exam night in 仓前, from the caller's lead to the closed loop. The clock
follows the readings, so that it is 7 June 2024."""
import datetime
import json
import os
import re
import shutil
import subprocess

from support import ROOT, Live, patrol, query, until

ZONE = datetime.timezone(datetime.timedelta(hours=8))


def moment(clock):
    """Milliseconds of a time of that night."""
    hour, minute, second = (int(part) for part in (clock + ":0").split(":")[:3])
    day = 7 if hour >= 12 else 8
    return int(datetime.datetime(2024, 6, day, hour, minute, second, tzinfo=ZONE).timestamp() * 1000)


class ExamNight(Live):
    starts_patrol = False

    def setUp(self):
        super().setUp()
        district = self.path("district")
        shutil.copytree(os.path.join(ROOT, "Deploy", "district"), district)
        self.config = os.path.join(district, "patrol.yaml")
        for name, value in [("BROKER_URL", f"mqtt://127.0.0.1:{self.port}"), ("STORE_PATH", self.store),
                            ("HTTP_LISTEN", f"127.0.0.1:{self.http}"), ("ENGINE_CLOCK", "readings")]:
            os.environ["PATROL_" + name] = value
            self.addCleanup(os.environ.pop, "PATROL_" + name)
        self.run_patrol()

    def noise(self, clock, level, seconds=1):
        at = moment(clock)
        self.publish("nm-002", json.dumps([{"ts": at + second * 1000, "laeq": level} for second in range(seconds)]), gateway="gw-noise")
        self.assertTrue(until(lambda: query(self.store, "SELECT clock FROM engine_state")[0][0] >= at + (seconds - 1) * 1000), self.said())

    def lead(self, **members):
        subprocess.run(["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t", "patrol/v1/in/gw-12345/lead", "-m", json.dumps(members)],
                       check=True, timeout=10)

    def task(self, *arguments, who="李强", role="officer", code=0):
        result = patrol("tasks", *arguments, "--as", who, "--role", role, "--store", self.store, "--format", "json")
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        return json.loads(result.stdout) if code == 0 else result.stderr

    def fix(self, clock):
        self.publish("cam-001", json.dumps({"ts": moment(clock), "battery": 80, "recording": True, "lat": 30.2921, "lon": 119.9932, "acc_m": 8}),
                     kind="bodycam", gateway="gw-cam")

    def begin(self):
        """A caller and the meter report the same site; the night's unit is sent."""
        self.fix("22:29:50")
        self.noise("22:29:51", 45)
        self.lead(matter="exam-noise", lat=30.2955, lon=119.9945, text="工地夜间施工，影响考生休息", source="0607-0231")
        self.assertTrue(until(lambda: query(self.store, "SELECT stage FROM task") == [("assigned",)]), self.said())
        task = query(self.store, "SELECT id FROM task")[0][0]
        explained = patrol("tasks", "explain", task[:6], "--store", self.store, "--lang", "zh").stdout
        self.assertIn("unit-03", explained)
        self.assertIn("不在班", explained)
        choice = json.loads(patrol("tasks", "explain", task[:6], "--store", self.store, "--format", "json").stdout)
        self.assertTrue(390 < choice["candidates"][0]["metres"] < 405, choice)
        self.task("ack", task[:6])
        self.noise("22:30:00", 63, seconds=150)
        self.assertTrue(until(lambda: query(self.store, "SELECT count(*) FROM alert WHERE rule = 'exam-night' AND state = 'firing'") == [(1,)]), self.said())
        self.assertEqual(query(self.store, "SELECT site, area, unit, severity FROM task"), [("build-canqian-01", "330110012", "unit-03", "critical")])
        self.assertEqual(query(self.store, "SELECT kind FROM task_source ORDER BY kind"), [("alert",), ("lead",)])
        return task

    def go_there(self, task):
        self.noise("22:32:40", 50)
        self.task("set-out", task[:6])
        # Seen coming, the works stop; the alert is over.
        self.noise("22:33:00", 44, seconds=480)
        self.assertTrue(until(lambda: query(self.store, "SELECT state FROM alert WHERE rule = 'exam-night'") == [("resolved",)]), self.said())
        self.task("arrive", task[:6])
        self.noise("22:44:00", 44)
        self.task("dispose", task[:6])

    def measured(self, task, level, verdict, *measures, code=0):
        more = [word for measure in measures for word in ("--measure", measure)]
        return self.task("feedback", task[:6], "--laeq", str(level), "--period", "10m", "--limit", "55", "--verdict", verdict,
                         "--instrument", "AWA6228+ 001", *more, code=code)

    def close(self, task):
        self.noise("22:55:00", 44, seconds=360)
        self.assertEqual(self.task("close", task[:6], who="王敏", role="operator")["stage"], "closed")

    def test_within_the_limit(self):
        task = self.begin()
        self.go_there(task)
        self.measured(task, 52.1, "within", "leaflet handed over")
        # The exam hall next door is visited too.
        self.task("plan", task[:6], "--at", "2024-06-07T22:50", "--sites-within", "500", "--why", "neighbouring sites")
        self.assertEqual(query(self.store, "SELECT site FROM task_plan"), [("exam-canqian-01",)])
        self.fix("22:49:55")
        self.noise("22:50:00", 44)
        self.assertTrue(until(lambda: query(self.store, "SELECT site, unit FROM task WHERE id <> ?", task) == [("exam-canqian-01", "unit-03")]), self.said())
        self.close(task)
        shown = json.loads(patrol("tasks", "show", task[:6], "--store", self.store, "--format", "json").stdout)
        self.assertEqual([(found["laeq"], found["verdict"], found["measures"]) for found in shown["feedback"]],
                         [(52.1, "within", "leaflet handed over")])
        report = [json.loads(line) for line in patrol(
            "report", "dispatch", "--period", "2024-06-07", "--store", self.store, "--format", "json").stdout.splitlines()]
        kind = next(line for line in report if (line["group"], line["name"]) == ("kind", "exam-noise"))
        self.assertEqual((kind["tasks"], kind["outcomes"]), (2, "open 1, within 1"))
        page = patrol("report", "dispatch", "--period", "2024-06-07", "--store", self.store, "--format", "html", "--lang", "zh").stdout
        self.assertIn("exam-night", page, "the false alarms by rule")

    def test_over_the_limit(self):
        task = self.begin()
        self.go_there(task)
        refused = self.measured(task, 61, "within", code=1)
        self.assertIn("61.0 dB(A) is over the limit of 55.0", refused)
        self.measured(task, 61, "exceeded", "works stopped", "notice served")
        self.task("plan", task[:6], "--at", "2024-06-07T23:30", "--why", "is it quiet")
        self.close(task)
        # The visit comes at its time, although the task is closed.
        self.noise("23:29:59", 44)
        self.assertEqual(query(self.store, "SELECT count(*) FROM task"), [(1,)])
        self.noise("23:30:01", 44)
        self.assertTrue(until(lambda: query(self.store, "SELECT subject, created_at FROM task WHERE id <> ?", task) == [("is it quiet", moment("23:30:00"))]))

    def test_the_readmes_say_these_commands(self):
        for name in ["README.md", "README.zh-CN.md"]:
            with open(os.path.join(ROOT, name)) as file:
                text = file.read()
            for words in ["in/gw-12345/lead", "tasks watch", "tasks explain", "tasks ack", "tasks set-out", "tasks arrive", "tasks dispose", "--laeq 52.1",
                          "tasks plan", "--sites-within 500", "tasks close", "report dispatch", "dispatch all"]:
                self.assertIn(words, text, name)
            self.assertTrue(re.search(r"61", text))
