"""The main path as a user meets it: the command line, a real mosquitto, real recordings."""
import csv
import gzip
import json
import math
import os
import signal
import subprocess
import time
import unittest
from collections import defaultdict
from datetime import datetime

from support import DATA, PATROL, Folder, Live, free_port, patrol, query, recording, until


class MainPath(Live):
    def test_a_reading_becomes_a_row_an_alert_a_task_and_an_event(self):
        events = self.path("events.txt")
        with open(events, "w") as out:
            listener = subprocess.Popen(["mosquitto_sub", "-p", str(self.port), "-v", "-q", "1", "-t", "patrol/v1/out/#",
                                         "-t", "patrol/v1/state/#", "-t", "patrol/v1/rejects/#"], stdout=out)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.terminate)
        start = int(time.time()) - 10
        for second, level in enumerate([60, 71, 72, 73, 60]):
            self.publish("m1", json.dumps({"ts": (start + second) * 1000, "laeq": level, "seq": second}))
        self.publish("m1", '{"ts": "noon", "laeq": 60}')
        self.publish("m1", json.dumps({"ts": (start + 9) * 1000, "laeq": 50}), qos=2)
        self.publish("m1", json.dumps({"ts": (start + 8) * 1000, "laeq": 50}), qos=0)
        self.assertTrue(until(lambda: self.stored() == 7))
        self.assertEqual(query(self.store, "SELECT state, started_at, fired_at, resolved_at, value FROM alert"),
                         [("resolved", (start + 1) * 1000, (start + 4) * 1000, (start + 4) * 1000, 73.0)])
        self.assertEqual(query(self.store, "SELECT kind, stage, respond_due - created_at, set_out_due - created_at, "
                                           "dispose_due - created_at FROM task"),
                         [("noise-check", "reported", 60000, 180000, 900000)])
        self.assertTrue(until(lambda: open(events).read().count("\n") >= 6), open(events).read())
        topics = [line.split(" ", 1)[0] for line in open(events)]
        self.assertIn("patrol/v1/out/alerts/unknown/warning", topics)
        self.assertIn("patrol/v1/out/tasks/unknown", topics)
        reject = next(json.loads(l.split(" ", 1)[1]) for l in open(events) if l.startswith("patrol/v1/rejects/gw"))
        self.assertEqual((reject["reason"], reject["field"], reject["device"]), ("type", "ts", "m1"))
        told = subprocess.run(["mosquitto_sub", "-p", str(self.port), "-C", "1", "-W", "15", "-t", "patrol/v1/status/gw"],
                              capture_output=True, text=True)
        status = json.loads(told.stdout)
        self.assertEqual((status["gateway"], status["last"]["device"], status["missing"]), ("gw", "m1", 0))
        self.assertGreaterEqual(status["stored"], 1)
        for line in open(events):
            topic, _, payload = line.partition(" ")
            if topic.startswith("patrol/v1/out/"):
                event = json.loads(payload)
                self.assertEqual(event["specversion"], "1.0")
                self.assertTrue(event["id"] and event["type"] and event["source"])
        self.patrol.send_signal(signal.SIGTERM)
        self.assertEqual(self.patrol.wait(15), 0)
        self.assertTrue(json.loads(patrol("doctor", "--store", self.store, "--format", "json").stdout)["balanced"])

    def test_bad_input_loses_nothing_else(self):
        now = int(time.time()) * 1000
        good = lambda i: json.dumps({"ts": now - 1000 * i, "laeq": 50 + i})
        bad = ["", "{", "[]", "5", '{"laeq":5}', '{"ts":1,"laeq":5}', '{"ts":%d,"laeq":"5"}' % now,
               '{"ts":%d,"laeq":1e999}' % now, '{"ts":%d,"laeq":NaN}' % now, '{"ts":%d,"laeq":5,"laeq":6}' % now,
               '{"ts":%d,"laeq":5}' % (now + 3_600_000), '{"ts":%d,"laeq":5}' % (now - 40 * 86_400_000),
               "[" * 100 + "]" * 100, '{"ts":%d,"laeq":300}' % now]
        reasons = ["malformed", "malformed", "missing", "type", "missing", "range", "type", "range", "malformed",
                   "malformed", "future", "too_old", "malformed", "range"]
        for index, payload in enumerate(bad):
            self.publish("m1", good(2 * index))
            if payload:
                self.publish("m1", payload)
            else:
                subprocess.run(["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t", "patrol/v1/in/gw/noise/m1", "-n"],
                               check=True)
        self.publish("m1", good(1))
        self.publish("m1", good(1))  # a duplicate
        self.publish("m1", good(0), gateway="other")  # not its gateway
        self.publish("x" * 65, good(0))
        self.publish("m1", good(0), kind="smell")
        self.publish("m1/deep", good(0))
        self.assertTrue(until(lambda: query(self.store, "SELECT count(*) FROM reject")[0][0] == len(bad) + 4),
                        query(self.store, "SELECT reason, field, payload FROM reject"))
        self.assertEqual([r[0] for r in query(self.store, "SELECT reason FROM reject ORDER BY rowid")],
                         reasons + ["wrong_gateway", "range", "unsupported", "malformed"])
        self.assertEqual(self.stored(), len(bad) + 1)
        self.assertTrue(json.loads(patrol("doctor", "--store", self.store, "--format", "json").stdout)["balanced"])

    def test_a_second_patrol_on_the_store_is_refused(self):
        result = patrol("replay", self.path("r.txt", "patrol/v1/in/g/noise/m {}\n"), "--into", self.store)
        self.assertEqual(result.returncode, 5)
        self.assertIn("another Patrol", result.stderr)

    def test_the_broker_goes_and_comes(self):
        self.publish("m1", json.dumps({"ts": int(time.time() * 1000), "laeq": 50}))
        self.assertTrue(until(lambda: self.stored() == 1))
        self.broker.kill()
        self.broker.wait()
        self.assertTrue(until(lambda: self.get("/readyz")[0] == 503))
        self.assertIn("broker", self.get("/readyz")[1])
        self.mosquitto(self.port)
        self.assertTrue(until(lambda: self.get("/readyz")[0] == 200))


class Rehearsal(Live):
    def more_settings(self):
        return "engine: { clock: readings }\nretention: { raw: off }"

    def test_a_recording_over_the_broker_gives_what_its_replay_gives(self):
        source = recording("noise_tallinn_kesklinn.csv.gz")
        part = self.path("part.csv")
        with gzip.open(source, "rt") as lines, open(part, "w") as out:
            out.writelines(line for _, line in zip(range(20_001), lines))
        options = ["--kind", "noise", "--gateway", "city", "--period", "60s"]
        sent = patrol("simulate", "--broker", f"mqtt://127.0.0.1:{self.port}", "--from", part, *options)
        self.assertEqual(sent.returncode, 0, sent.stderr)
        replayed = self.path("replay.db")
        self.assertEqual(patrol("replay", part, "--into", replayed, "--rules", self.path("rules.yaml"), *options).returncode, 0)
        count = lambda s: query(s, "SELECT sum(received) FROM message_count")[0][0]
        self.assertTrue(until(lambda: count(self.store) == count(replayed), 30))
        self.patrol.send_signal(signal.SIGTERM)
        self.assertEqual(self.patrol.wait(15), 0)
        for sql in ["SELECT device, ts, gateway, seq, laeq, period_s FROM noise ORDER BY input",
                    "SELECT * FROM noise_1m ORDER BY bucket, device",
                    "SELECT id, state, started_at, fired_at, resolved_at, value FROM alert ORDER BY id",
                    "SELECT * FROM message_count ORDER BY kind"]:
            self.assertEqual(query(self.store, sql), query(replayed, sql), sql)


class Recordings(Folder):
    """Replays against a computation that shares nothing with the product."""

    def replay(self, name, *options):
        store = self.path("r.db")
        result = patrol("replay", recording(name), "--into", store, *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return store

    @staticmethod
    def rows(name):
        with gzip.open(os.path.join(DATA, name), "rt", newline="") as lines:
            yield from csv.DictReader(lines)

    @staticmethod
    def ms(text):
        return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)

    def test_tallinn_noise(self):
        rules = self.path("rules.yaml", """
rules:
  - { id: loud, on: noise, condition: { metric: laeq, above: 65, for: 2m, clear_below: 62 }, severity: warning, task: { kind: check } }
""")
        store = self.replay("noise_tallinn_kesklinn.csv.gz", "--kind", "noise", "--gateway", "city", "--period", "60s",
                            "--rules", rules)
        seen, minutes, received, clock = set(), defaultdict(list), 0, 0
        state, newest, newest_end, fired = {}, defaultdict(lambda: -10**15), {}, []
        for row in self.rows("noise_tallinn_kesklinn.csv.gz"):
            received += 1
            device, ts, level = row["device"], self.ms(row["ts"]), float(row["laeq_db"])
            clock = max(clock, ts)
            if (device, ts, level) in seen:
                continue
            seen.add((device, ts, level))
            for bucket in {ts // 60000 * 60000, (ts + 59999) // 60000 * 60000}:
                part = min(ts + 60000, bucket + 60000) - max(ts, bucket)
                if part > 0:
                    minutes[device, bucket].append((part, level))
            if clock - ts > 600_000:
                continue
            end, (start, at) = ts + 60000, state.get(device, (None, None))
            if ts < newest[device]:
                if start is not None and at is None and level <= 65 and ts >= start:
                    state[device] = (newest[device], None)
                continue
            if at is not None:
                if level < 62:
                    fired.append((device, start, at, ts))
                    start = at = None
            elif level > 65:
                if start is None or ts - newest_end[device] > 120_000:
                    start = ts
                at = end if end - start >= 120_000 else None
            else:
                start = None
            state[device] = (start, at)
            newest[device], newest_end[device] = ts, end
        fired += [(d, s, a, None) for d, (s, a) in state.items() if a is not None]
        self.assertEqual(query(store, "SELECT received, stored, duplicate, rejected, dropped FROM message_count "
                                      "WHERE kind = 'noise'"), [(received, len(seen), received - len(seen), 0, 0)])
        self.assertEqual(set(query(store, "SELECT device, ts, laeq FROM noise")), seen)
        have = {(d, b): (leq, samples) for d, b, leq, samples in query(store, "SELECT device, bucket, leq, samples FROM noise_1m")}
        self.assertEqual(have.keys(), minutes.keys())
        for key, parts in minutes.items():
            leq = 10 * math.log10(sum(t * 10 ** (l / 10) for t, l in parts) / sum(t for t, _ in parts))
            self.assertAlmostEqual(have[key][0], leq, delta=0.05, msg=str(key))
            self.assertEqual(have[key][1], len(parts), str(key))
        self.assertGreater(len(fired), 100)
        self.assertEqual(sorted(query(store, "SELECT device, started_at, fired_at, resolved_at FROM alert "
                                             "WHERE state <> 'pending'"), key=str), sorted(fired, key=str))
        self.assertGreater(sum(1 for parts in minutes.values() if len(parts) > 1), 0, "the quirk of two values a minute")

    def test_buses(self):
        store = self.replay("gps_capmetro_austin.csv.gz", "--kind", "vehicle", "--gateway", "bus")
        rows = list(self.rows("gps_capmetro_austin.csv.gz"))
        want = {(r["device"], self.ms(r["ts"]), float(r["lat"]), float(r["lon"]), float(r["speed_kmh"])) for r in rows}
        self.assertEqual(set(query(store, "SELECT device, ts, lat, lon, speed_kmh FROM vehicle")), want)
        self.assertEqual(sum(1 for r in want if r[4] > 130), 9, "the quirk of nine rows over 130 km/h")

    def test_trucks_by_their_time_of_receipt(self):
        store = self.replay("gps_fleet_latearrival.csv.gz", "--kind", "vehicle", "--gateway", "fleet")
        rows = list(self.rows("gps_fleet_latearrival.csv.gz"))
        counts = query(store, "SELECT received, stored, duplicate, rejected FROM message_count WHERE kind = 'vehicle'")[0]
        want = {(r["device"], self.ms(r["ts"]), float(r["lat"]), float(r["lon"]), float(r["speed_kmh"] or "nan"),
                 float(r["heading"] or "nan")) for r in rows}
        self.assertEqual(counts[0], len(rows))
        self.assertEqual(counts[1], len(want))
        received = {(d, t): r for d, t, r in query(store, "SELECT device, ts, received FROM vehicle")}
        late = [received[r["device"], self.ms(r["ts"])] - self.ms(r["ts"]) for r in rows if r["received_ts"]]
        self.assertGreater(max(late), 500_000)

    def test_phones(self):
        store = self.replay("heartbeat_phones.csv.gz", "--kind", "bodycam", "--gateway", "phones")
        rows = list(self.rows("heartbeat_phones.csv.gz"))
        counts = query(store, "SELECT received, stored + duplicate + rejected FROM message_count WHERE kind = 'bodycam'")[0]
        self.assertEqual(counts, (len(rows), len(rows)))
        want = {(r["device"], self.ms(r["ts"]), float(r["battery_pct"])) for r in rows if r["battery_pct"]}
        have = set(query(store, "SELECT device, ts, battery FROM bodycam WHERE battery IS NOT NULL"))
        self.assertEqual(have, want)


class Commands(Folder):
    def test_check_tells_all_problems_at_their_places(self):
        path = self.path("p.yaml", "broker: { url: http://x }\nstor: { path: a }\nhttp: { listen: here }\nrules: [none.yaml]\n")
        result = patrol("check", path)
        self.assertEqual(result.returncode, 1)
        for words in [":1:", "mqtt://", ":2:1: unknown key 'stor'", "did you mean 'store'", ":3:", "none.yaml"]:
            self.assertIn(words, result.stdout + result.stderr)
        self.assertEqual(patrol("run", "--config", path).returncode, 3)

    def test_a_recording_reads_back_from_both_forms_of_mosquitto_sub(self):
        ts = 1717768800000
        payload = '{"ts":%d,"laeq":62.4,"seq":1}' % ts
        plain = self.path("plain.txt", f"patrol/v1/in/g/noise/m {payload}\n")
        timed = self.path("timed.txt", f"{ts / 1000 + 1.5:.3f} patrol/v1/in/g/noise/m {payload.encode().hex()}\n")
        for file, received in [(plain, ts), (timed, ts + 1500)]:
            store = file + ".db"
            self.assertEqual(patrol("replay", file, "--into", store).returncode, 0)
            self.assertEqual(query(store, "SELECT device, ts, received, seq, laeq, gateway FROM noise"),
                             [("m", ts, received, 1, 62.4, "g")])

    def test_up_ends_by_itself_and_leaves_no_process(self):
        result = patrol("up", "--demo", "--exit-after", "14s", "--state", "state", "--port", str(free_port()),
                        "--http-port", str(free_port()), cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("TASK", result.stdout)
        self.assertIn("readings received", result.stdout)
        self.assertEqual(subprocess.run(["pgrep", "-f", self.folder], capture_output=True, text=True).stdout, "")
        store = self.path("state/patrol.db")
        self.assertEqual(query(store, "SELECT count(*) FROM device")[0][0], 641)
        first = subprocess.run(f"'{PATROL}' tail --since 1h --no-follow --store '{store}' | head -1", shell=True,
                               capture_output=True, text=True, timeout=20)
        self.assertIn("ALERT", first.stdout)
        self.assertEqual(first.stderr, "")

    def test_devices_are_listed_and_shown(self):
        ts = 1717768800000
        lines = [f'patrol/v1/in/g/noise/meter-{i} {{"ts":{ts + i * 60_000},"laeq":60}}' for i in range(3)]
        lines += [f'patrol/v1/in/h/vehicle/car {{"ts":{ts},"lat":30.3,"lon":120}}',
                  f'patrol/v1/in/h/vehicle/car {{"ts":{ts + 1000},"lat":300,"lon":120}}']
        store = self.path("s.db")
        self.assertEqual(patrol("replay", self.path("r.txt", "\n".join(lines) + "\n"), "--into", store).returncode, 0)

        def listed(*arguments):
            result = patrol("devices", "list", "--store", store, "--format", "json", *arguments)
            self.assertEqual(result.returncode, 0, result.stderr)
            return [(d["id"], d["newest_ts"]) for d in map(json.loads, result.stdout.splitlines())]
        self.assertEqual(listed("--kind", "noise"), [(f"meter-{i}", ts + i * 60_000) for i in range(3)])
        self.assertEqual(listed("--gateway", "h"), [("car", ts)])
        self.assertEqual(listed("--silent", str(ts + 60_000)), [("meter-0", ts), ("car", ts)])
        self.assertEqual(patrol("devices", "list", "--store", store, "--kind", "drone").returncode, 2)
        car = json.loads(patrol("devices", "show", "ca", "--store", store, "--format", "json").stdout)
        self.assertEqual((car["id"], car["gateway"], car["rejects"][0]["field"]), ("car", "h", "lat"))
        unknown = patrol("devices", "show", "meter", "--store", store)
        self.assertEqual(unknown.returncode, 1)
        self.assertIn("write more of it", unknown.stderr)

    def test_every_command_has_examples_in_its_help(self):
        def subcommands(text):
            part = text.partition("SUBCOMMANDS:\n")[2].partition("\n\n")[0]
            return [line.split()[0] for line in part.splitlines() if line[2:3].strip()]
        for name in subcommands(patrol("--help").stdout):
            text = patrol("help", name).stdout
            has_examples = f"  patrol {name}" in text.partition("EXAMPLE")[2]
            self.assertTrue(has_examples or subcommands(text), f"help {name}")
            for below in subcommands(text):
                help_below = patrol("help", name, below).stdout
                self.assertIn("OVERVIEW", help_below)
                self.assertTrue(has_examples or f"  patrol {name} {below}" in help_below.partition("EXAMPLE")[2],
                                f"help {name} {below}")

    def test_missing_store_says_what_to_do(self):
        result = patrol("query", "alerts", "--store", self.path("none.db"))
        self.assertEqual(result.returncode, 5)
        self.assertIn("patrol up", result.stderr)
        self.assertFalse(os.path.exists(self.path("none.db")))


if __name__ == "__main__":
    unittest.main()
