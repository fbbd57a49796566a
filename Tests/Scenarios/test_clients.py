"""Stock clients and whole recordings through a real mosquitto: live and replayed stores hold the same rows."""
import json
import os
import signal
import subprocess
import sys
import time
import unittest

from support import CI, Live, patrol, query, recording, until

PAHO = """
import sys, time, json
import paho.mqtt.client as mqtt
new = getattr(mqtt, "CallbackAPIVersion", None)
client = mqtt.Client(new.VERSION2) if new else mqtt.Client()
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_start()
now = int(time.time() * 1000) - 60000
values = {"noise": {"laeq": 61.5}, "vehicle": {"lat": 30.4, "lon": 119.9}, "bodycam": {"battery": 80}}
for kind, value in values.items():
    for qos in range(3):
        one = dict(value, ts=now + qos * 1000, seq=qos)
        many = [dict(value, ts=now + 10000 + qos * 1000 + i, seq=10 + qos * 10 + i) for i in range(5)]
        for payload in (one, many):
            client.publish(f"patrol/v1/in/paho/{kind}/{kind}-1", json.dumps(payload), qos=qos).wait_for_publish()
client.disconnect()
client.loop_stop()
"""
ROWS = ["SELECT device, ts, gateway, seq, laeq, period_s FROM noise ORDER BY device, ts, seq, laeq",
        "SELECT device, ts, gateway, seq, lat, lon, speed_kmh, heading FROM vehicle ORDER BY device, ts, seq, lat, lon, speed_kmh, heading",
        "SELECT device, ts, gateway, seq, battery, charging, boot FROM bodycam ORDER BY device, ts, seq, battery, charging",
        "SELECT * FROM noise_1m ORDER BY bucket, device",
        "SELECT * FROM message_count ORDER BY kind"]


class Clients(Live):
    starts_patrol = False

    def test_paho(self):
        for python in [sys.executable, "/usr/bin/python3"]:
            if os.path.exists(python) and subprocess.run([python, "-c", "import paho.mqtt.client"], capture_output=True).returncode == 0:
                break
        else:
            if CI:
                self.fail("paho-mqtt is missing: install python3-paho-mqtt")
            self.skipTest("skipped: paho-mqtt is not here")
        self.run_patrol()
        subprocess.run([python, "-c", PAHO, str(self.port)], check=True, timeout=30)
        for kind in ["noise", "vehicle", "bodycam"]:
            self.assertTrue(until(lambda: query(self.store, f"SELECT count(*), count(DISTINCT seq) FROM {kind}") == [(18, 18)]), kind)
        self.assertBalanced(self.store)

    def test_what_mosquitto_sub_records_replays_to_the_same_rows(self):
        files = [self.path("plain.txt"), self.path("timed.txt")]
        recorders = []
        for file, form in zip(files, [["-v"], ["-F", "%U %t %x"]]):
            with open(file, "a") as out:
                recorders.append(subprocess.Popen(["mosquitto_sub", "-p", str(self.port), "-q", "1", *form, "-t", "patrol/v1/in/#"], stdout=out))
            self.addCleanup(recorders[-1].wait)
            self.addCleanup(recorders[-1].kill)
        probes = iter(range(1000, 2000))

        def both_record():
            name = f"probe-{next(probes)}"
            self.publish(name, "{}")
            return until(lambda: all(name in open(file).read() for file in files), 0.5)

        # Patrol has not subscribed yet: what tells that both record is no part of the recording.
        self.assertTrue(until(both_record))
        for file in files:
            os.truncate(file, 0)
        self.run_patrol()
        self.assertEqual(patrol("simulate", "--broker", f"mqtt://127.0.0.1:{self.port}", "--duration", "4s").returncode, 0)
        self.publish("last", json.dumps({"ts": int(time.time() * 1000), "laeq": 50}))
        self.assertTrue(until(lambda: query(self.store, "SELECT count(*) FROM noise WHERE device = 'last'")[0][0] == 1))
        for recorder in recorders:
            recorder.send_signal(signal.SIGTERM)
            recorder.wait(10)
        self.stop_patrol()
        for file in files:
            store = file + ".db"
            self.assertEqual(patrol("replay", file, "--into", store, "--rules", self.path("rules.yaml")).returncode, 0)
            for sql in ROWS:
                self.assertEqual(query(self.store, sql), query(store, sql), sql)


class WholeRecordings(Live):
    def more_settings(self):
        return "engine: { clock: readings }\nretention: { raw: off }"

    def same_rows(self, name, kind, *more):
        source = recording(name)
        options = ["--kind", kind, "--gateway", "g", *more]
        replayed = self.path("replay.db")
        self.assertEqual(patrol("replay", source, "--into", replayed, "--rules", self.path("rules.yaml"), *options).returncode, 0)
        sent = patrol("simulate", "--broker", f"mqtt://127.0.0.1:{self.port}", "--from", source, *options)
        self.assertEqual(sent.returncode, 0, sent.stderr)
        count = lambda store: query(store, "SELECT sum(received) FROM message_count")[0][0]
        self.assertTrue(until(lambda: count(self.store) >= count(replayed), 60))
        self.stop_patrol()
        for sql in ROWS:
            self.assertTrue(query(self.store, sql) == query(replayed, sql), sql)
        self.assertBalanced(self.store)

    def test_noise(self):
        self.same_rows("noise_tallinn_kesklinn.csv.gz", "noise", "--period", "60s")

    def test_buses(self):
        self.same_rows("gps_capmetro_austin.csv.gz", "vehicle")

    def test_trucks(self):
        self.same_rows("gps_fleet_latearrival.csv.gz", "vehicle")

    def test_phones(self):
        self.same_rows("heartbeat_phones.csv.gz", "bodycam")


if __name__ == "__main__":
    unittest.main()
