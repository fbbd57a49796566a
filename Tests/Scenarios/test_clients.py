"""Stock clients and whole recordings through a real mosquitto: live and replayed stores hold the same rows."""
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from support import CI, PATROL, Live, free_port, patrol, query, recording, until

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


class SlowDoor:
    """In front of a port: takes no connection until it is opened, and passes on what comes then. The kernel drops what
    the queue has no room for, so that a client's connection stands only at its second attempt, a second later."""

    def __init__(self, behind):
        self.behind = behind
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self.listener.getsockname()[1]
        self.filling = [socket.socket() for _ in range(3)]
        for one in self.filling:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", self.port))

    def open(self):
        for one in self.filling:
            one.close()
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        while True:
            try:
                peer = self.listener.accept()[0]
                inner = socket.create_connection(("127.0.0.1", self.behind))
            except OSError:
                return
            for source, target in ((peer, inner), (inner, peer)):
                threading.Thread(target=self.copy, args=(source, target), daemon=True).start()

    @staticmethod
    def copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        finally:
            target.close()


class Encrypted(Live):
    """A broker with TLS, a client certificate and a password."""
    starts_patrol = False

    def setUp(self):
        super().setUp()
        def made(name, *arguments):
            subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.folder)
            return os.path.join(self.folder, name)
        self.ca = made("ca.pem", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
        for name in ("server", "client"):
            made(f"{name}.csr", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                 "-keyout", f"{name}.key", "-out", f"{name}.csr")
            made(f"{name}.pem", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1",
                 "-copy_extensions", "copy", "-out", f"{name}.pem")
        passwords = self.path("passwords", "")
        subprocess.run(["mosquitto_passwd", "-b", passwords, "duty", "at night"], check=True, capture_output=True)
        inner, file = free_port(), lambda name: os.path.join(self.folder, name)
        self.mosquitto(inner, f"allow_anonymous false\npassword_file {passwords}\ncafile {self.ca}\ncertfile {file('server.pem')}\n"
                              f"keyfile {file('server.key')}\nrequire_certificate true\n")
        self.inner = inner
        self.door = SlowDoor(inner)
        self.addCleanup(self.door.listener.close)
        self.path("password.txt", "at night\n")
        with open(self.config) as file:
            settings = file.read()
        text = settings.replace(
            f'url: "mqtt://127.0.0.1:{self.port}", client_id: test',
            f'url: "mqtts://127.0.0.1:{self.door.port}", client_id: test, ca: ca.pem, cert: client.pem, key: client.key, '
            "username: duty, password_file: password.txt")
        self.config = self.path("patrol.yaml", text)

    def stock(self, program, *arguments):
        return subprocess.run(
            [program, "-h", "127.0.0.1", "-p", str(self.inner), "-u", "duty", "-P", "at night", "--cafile", self.ca, "--cert",
             os.path.join(self.folder, "client.pem"), "--key", os.path.join(self.folder, "client.key"), *arguments],
            capture_output=True, text=True, timeout=20)

    def test_readings_come_and_alerts_go_although_the_connection_is_slow_to_stand(self):
        threading.Timer(0.5, self.door.open).start()
        self.run_patrol()
        self.assertNotIn("does not answer", self.said(), "the first connection is the one")
        now = int(time.time() * 1000) - 20_000
        for i in range(6):
            answer = self.stock("mosquitto_pub", "-q", "1", "-t", "patrol/v1/in/gw/noise/m1", "-m", json.dumps({"ts": now + i * 1000, "laeq": 80}))
            self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertTrue(until(lambda: query(self.store, "SELECT count(*) FROM noise") == [(6,)]))
        heard = self.stock("mosquitto_sub", "-t", "patrol/v1/state/alerts/+", "-C", "1", "-W", "10").stdout
        self.assertIn('"state":"firing"', heard)

    def test_a_wrong_password_is_said_in_words(self):
        self.door.open()
        self.path("password.txt", "at noon\n")
        self.patrol = self.start([PATROL, "run", "--config", self.config], self.errors)
        self.assertTrue(until(lambda: "refused the connection" in self.said(), 20), self.said())
        self.assertIn("not authorised", self.said())
        self.assertEqual(self.ready(), 503)


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
