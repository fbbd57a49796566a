"""Rules over real recordings, against an independent computation of every start, fire and resolve time; the commands."""
import csv
import gzip
import json
import os
import tempfile
import time
import unittest
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from rules_oracle import Count, Implied, Level, Rate, Reading, Rule, Side, Tree, Windowed, run
from support import ROOT, Live, patrol, query, recording, until

MINUTE = 60_000


def readings(path, period, columns):
    """Rows of a CSV in their order; columns maps its names to the payload's."""
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            ts = datetime.strptime(row["ts"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
            values = {name: float(row[column]) for column, name in columns.items() if row[column]}
            yield Reading(row["device"], int(ts.timestamp()) * 1000, period, values)


TALLINN = """
rules:
  - { id: level, on: noise, condition: { metric: laeq, above: 70, for: 2m, clear_below: 66 }, severity: warning }
  - { id: quiet, on: noise, condition: { metric: laeq, below: 50, for: 4m }, severity: info }
  - { id: leq5, on: noise, condition: { metric: laeq, window: 5m, above: 68 }, severity: warning }
  - { id: leq20, on: noise, condition: { metric: laeq, window: 20m, above: 65, coverage: 50 }, keep_firing_for: 10m, severity: warning }
  - { id: max10, on: noise, condition: { metric: laeq, window: 10m, value: max, above: 78, coverage: 10 }, severity: info }
  - { id: leq60, on: noise, condition: { metric: laeq, window: 1h, above: 66, coverage: 30, clear_below: 64 }, severity: warning }
  - { id: night, on: noise, when: { hours: 22:00-06:00 }, condition: { metric: laeq, above: 60, for: 2m }, severity: warning }
  - { id: weekend, on: noise, when: { hours: 10:00-18:00, weekdays: [sat, sun] }, condition: { metric: laeq, window: 10m, above: 66, coverage: 40 }, severity: info }
  - { id: limit, on: noise, condition: { metric: laeq, window: 5m, limit: gb12523, coverage: 60 }, severity: warning }
  - { id: absent, on: noise, condition: { absent_for: 30m }, severity: warning }
  - { id: often, on: noise, condition: { count: { metric: laeq, above: 70 }, window: 1h, above: 5 }, severity: info }
  - { id: rise, on: noise, condition: { rate: laeq, per: 1m, above: 15 }, severity: info }
  - { id: tree, on: noise, condition: { any: [{ metric: laeq, above: 80 }, { all: [{ metric: laeq, above: 72 }, { not: { metric: laeq, above: 76 } }] }], for: 2m }, severity: info }
  - { id: silent, on: noise, condition: { metric: laeq, above: 73 }, resolve_after: 15m, severity: info }
  - { id: cool, on: noise, condition: { metric: laeq, above: 74 }, cool_down: 1h, severity: info }
"""


class NestedTree:
    """any of `above 80` and (above 72 and not above 76): one value, so that all is known at once."""

    def see(self, reading, since, ends):
        value = reading.values.get("laeq")
        if value is None:
            return None
        over = value > 80 or (value > 72 and not value > 76)
        return over, not over


def tallinn(zone):
    return {
        "level": lambda: Rule(Level("laeq", 70, clear=66), hold=2 * MINUTE),
        "quiet": lambda: Rule(Level("laeq", 50, above=False), hold=4 * MINUTE),
        "leq5": lambda: Rule(Windowed("laeq", "leq", 5 * MINUTE, 68)),
        "leq20": lambda: Rule(Windowed("laeq", "leq", 20 * MINUTE, 65, coverage=0.5), keep=10 * MINUTE),
        "max10": lambda: Rule(Windowed("laeq", "highest", 10 * MINUTE, 78, coverage=0.1)),
        "leq60": lambda: Rule(Windowed("laeq", "leq", 60 * MINUTE, 66, coverage=0.3, clear=64)),
        "night": lambda: Rule(Level("laeq", 60), hold=2 * MINUTE, hours=(22, 6), zone=zone),
        "weekend": lambda: Rule(Windowed("laeq", "leq", 10 * MINUTE, 66, coverage=0.4), hours=(10, 18), weekdays=(6, 7), zone=zone),
        "limit": lambda: Rule(
            Windowed("laeq", "leq", 5 * MINUTE, None, coverage=0.6, limits={True: 55, False: 70}, zone=zone)),
        "absent": lambda: Rule(absent=30 * MINUTE),
        "often": lambda: Rule(Count(Level("laeq", 70), 60 * MINUTE, 5)),
        "rise": lambda: Rule(Rate("laeq", MINUTE, 15)),
        "tree": lambda: Rule(NestedTree(), hold=2 * MINUTE),
        "silent": lambda: Rule(Level("laeq", 73), resolve_after=15 * MINUTE),
        "cool": lambda: Rule(Level("laeq", 74), cool=60 * MINUTE),
    }


BOX = (30.2501, -97.7803, 30.3003, -97.7202)
AUSTIN = """
rules:
  - { id: fast, on: vehicle, condition: { metric: speed_kmh, above: 100 }, severity: warning }
  - { id: mean, on: vehicle, condition: { metric: speed_kmh, window: 20m, above: 50, coverage: 3 }, severity: info }
  - { id: stand, on: vehicle, condition: { metric: speed_kmh, window: 30m, value: max, below: 1, coverage: 3 }, severity: info }
  - { id: top, on: vehicle, condition: { metric: speed_kmh, window: 1h, value: max, above: 90, coverage: 0 }, severity: info, keep_firing_for: 20m }
  - { id: absent, on: vehicle, condition: { absent_for: 20m }, severity: warning }
  - { id: jump, on: vehicle, condition: { metric: implied_kmh, above: 80 }, severity: info }
  - { id: inside, on: vehicle, condition: { inside: [centre] }, severity: info }
  - { id: outside, on: vehicle, condition: { outside: [centre], after: 10m }, severity: info }
  - { id: entered, on: vehicle, condition: { entered: [centre] }, severity: info, keep_firing_for: 5m }
  - { id: left, on: vehicle, condition: { left: [centre], after: 5m }, severity: info }
  - { id: rounds, on: vehicle, condition: { count: { entered: [centre] }, window: 6h, above: 3 }, severity: info }
  - { id: rush, on: vehicle, when: { hours: 16:00-19:00, weekdays: [mon-fri] }, condition: { all: [{ inside: [centre] }, { not: { metric: speed_kmh, above: 5 } }] }, severity: warning, keep_firing_for: 6m }
  - { id: brake, on: vehicle, condition: { rate: speed_kmh, per: 4m, below: -60 }, severity: info }
"""


def austin(zone):
    return {
        "fast": lambda: Rule(Level("speed_kmh", 100)),
        "mean": lambda: Rule(Windowed("speed_kmh", "mean", 20 * MINUTE, 50, coverage=0.03)),
        "stand": lambda: Rule(Windowed("speed_kmh", "highest", 30 * MINUTE, 1, above=False, coverage=0.03)),
        "top": lambda: Rule(Windowed("speed_kmh", "highest", 60 * MINUTE, 90, coverage=0), keep=20 * MINUTE),
        "absent": lambda: Rule(absent=20 * MINUTE),
        "jump": lambda: Rule(Implied(80)),
        "inside": lambda: Rule(Side(BOX, "inside")),
        "outside": lambda: Rule(Side(BOX, "outside", 10 * MINUTE)),
        "entered": lambda: Rule(Side(BOX, "entered"), keep=5 * MINUTE),
        "left": lambda: Rule(Side(BOX, "left", 5 * MINUTE)),
        "rounds": lambda: Rule(Count(Side(BOX, "entered"), 360 * MINUTE, 3, each=True)),
        "rush": lambda: Rule(
            Tree("all", (False, Side(BOX, "inside")), (True, Level("speed_kmh", 5))), keep=6 * MINUTE,
            hours=(16, 19), weekdays=(1, 2, 3, 4, 5), zone=zone),
        "brake": lambda: Rule(Rate("speed_kmh", 4 * MINUTE, -60, above=False)),
    }


class Backtests(unittest.TestCase):
    maxDiff = 4000

    def compare(self, name, rules, zone, kind, period, columns, oracle, fences=None):
        path = recording(name)
        with tempfile.TemporaryDirectory() as folder:
            def write(file, text):
                with open(os.path.join(folder, file), "w") as out:
                    out.write(text)
                return os.path.join(folder, file)
            settings = f"broker: {{ url: mqtt://b }}\nstore: {{ path: a.db }}\ntimezone: {zone}\n"
            if fences:
                write("fences.geojson", json.dumps(fences))
                settings += "fences: fences.geojson\n"
            result = patrol(
                "rules", "backtest", write("rules.yaml", rules), "--config", write("patrol.yaml", settings), "--from", path,
                "--kind", kind, "--period", f"{period // 1000}s", "--format", "json", timeout=900)
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        have = {(a["rule"], a["device"], a["started_at"], a["fired_at"], a["resolved_at"]) for a in lines if "rule" in a}
        want = run(readings(path, period, columns), oracle(ZoneInfo(zone)))
        names = set(oracle(ZoneInfo(zone)))
        self.assertGreaterEqual(len(names), 12)
        missing, extra = sorted(want - have), sorted(have - want)
        self.assertEqual(
            (missing[:5], extra[:5]), ([], []), f"{len(missing)} of {len(want)} missing, {len(extra)} too many")
        self.assertEqual({a[0] for a in want}, names, "each rule must have raised something")
        print(f"{name}: {len(want)} alerts of {len(names)} rules, the same times as an independent computation")

    def test_tallinn(self):
        self.compare(
            "noise_tallinn_kesklinn.csv.gz", TALLINN, "Europe/Tallinn", "noise", MINUTE, {"laeq_db": "laeq"}, tallinn)

    def test_austin(self):
        south, west, north, east = BOX
        corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        fence = {"type": "FeatureCollection", "features": [{
            "type": "Feature", "properties": {"id": "centre", "name": "centre", "kind": "centre"},
            "geometry": {"type": "Polygon", "coordinates": [corners]}}]}
        self.compare(
            "gps_capmetro_austin.csv.gz", AUSTIN, "America/Chicago", "vehicle", 10_000,
            {"lat": "lat", "lon": "lon", "speed_kmh": "speed_kmh"}, austin, fence)


class Commands(unittest.TestCase):
    def test_the_delivered_rules_and_their_tests_are_well(self):
        config = ROOT + "/Deploy/district/patrol.yaml"
        checked = patrol("rules", "check", "--config", config)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        folder = ROOT + "/Deploy/district/tests"
        tested = patrol("rules", "test", *(os.path.join(folder, name) for name in sorted(os.listdir(folder))))
        self.assertEqual(tested.returncode, 0, tested.stdout)
        self.assertIn("all well", tested.stdout)

    def test_problems_stand_at_their_places_all_at_once(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "r.yaml")
            with open(path, "w") as out:
                out.write(
                    "rules:\n  - id: a\n    on: noise\n    condition: { metric: laek, above: 70 }\n    severity: warning\n"
                    "    text: \"{valeu}\"\n  - id: a\n    on: bodycam\n    condition: { changes: boot, for: 3s, above: 1 }\n"
                    "    severity: info\n    inhibited_by: [b]\n")
            result = patrol("rules", "check", path, cwd=folder)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(
            [line.removeprefix(path) for line in result.stdout.splitlines()],
            [
                ":4:26: metric of noise is one of laeq, lmax, lmin, l10, l50, l90, battery, second_gateway, not 'laek'; did you mean 'laeq'?",
                ":6:11: a text has no field '{valeu}'; did you mean '{value}'?",
                ":7:9: the id 'a' is taken by the rule at " + path + ":2:9",
                ":9:49: 'above' has no meaning here",
            ])

    def test_an_alert_is_explained(self):
        with tempfile.TemporaryDirectory() as folder:
            rules, log, store = (os.path.join(folder, n) for n in ("r.yaml", "r.txt", "a.db"))
            with open(rules, "w") as out:
                out.write("rules:\n  - { id: loud, on: noise, condition: { metric: laeq, above: 70, for: 3s }, severity: warning }\n")
            with open(log, "w") as out:
                for second, level in enumerate([60, 71, 72, 73, 74]):
                    out.write(f'patrol/v1/in/gw/noise/m {{"ts":{1717768800000 + second * 1000},"laeq":{level}}}\n')
            self.assertEqual(patrol("replay", log, "--into", store, "--rules", rules).returncode, 0)
            listed = json.loads(patrol("query", "alerts", "--store", store, "--format", "json", "--since", "2024-01-01").stdout)
            result = patrol("rules", "explain", listed["id"][:8], "--rules", rules, "--from", store, cwd=folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("loud: firing, began 2024-06-07 22:00:01, fired 2024-06-07 22:00:04", result.stdout)
        self.assertIn("laeq 73.0", result.stdout)

    def test_a_replay_by_the_settings_of_a_district(self):
        with tempfile.TemporaryDirectory() as folder:
            def write(name, text):
                with open(os.path.join(folder, name), "w") as out:
                    out.write(text)
                return os.path.join(folder, name)
            write("limits.yaml", "standards:\n  - id: own\n    name: Own\n    limits:\n      - { zone: 2, day: 60, night: 50, certainty: published }\n")
            write("devices.csv", "id,kind,gateway,zone\nm,noise,gw,2\n")
            write("r.yaml", "rules:\n  - { id: limit, on: noise, condition: { metric: laeq, limit: own }, severity: info }\n")
            config = write(
                "patrol.yaml", "broker: { url: mqtt://127.0.0.1 }\nstore: { path: a.db }\nlimits: limits.yaml\ndevices: devices.csv\n"
                "rules: [r.yaml]\n")
            # 55 dB before and after 22:00 in Shanghai.
            log = write("r.txt", "".join(
                f'patrol/v1/in/gw/noise/m {{"ts":{1717768799000 + second * 1000},"laeq":55}}\n' for second in range(3)))
            store = os.path.join(folder, "b.db")
            result = patrol("replay", log, "--into", store, "--config", config)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            alerts = query(store, "SELECT rule, started_at, d.bound, d.standard FROM alert JOIN alert_detail d ON d.alert_id = id")
        self.assertEqual(alerts, [("limit", 1717768800000, 50.0, "Own")])


class ReloadOnChange(Live):
    RULES = "rules:\n  - {{ id: loud, on: noise, condition: {{ metric: laeq, above: {} }}, severity: info }}\n"
    rules = RULES.format(90)

    def more_settings(self):
        return "reload_on_change: true\n"

    def test_a_changed_file_is_in_force_and_a_broken_one_is_not(self):
        self.path("rules.yaml", "rules: [")
        self.assertTrue(until(lambda: "the rules stay as they were" in self.said()))
        self.path("rules.yaml", self.RULES.format(60))
        self.assertTrue(until(lambda: "1 rules are in force: 0 as before" in self.said()), self.said())
        self.publish("m1", json.dumps({"ts": int(time.time()) * 1000, "laeq": 70}))
        self.assertTrue(until(lambda: query(self.store, "SELECT rule FROM alert") == [("loud",)]))
