"""Consumers of the stream as their owners meet it: MQTT, pull, server-sent events, webhooks, a restored backup."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

from support import CI, ROOT, Live, free_port, patrol, query, until

CONSUMER = ROOT + "/tools/reference_consumer.py"
KEY = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, no le").decode()
OLD_KEY = "whsec_" + base64.b64encode(b"an older key, thirty-two bytes..").decode()


class Receiver:
    """A receiver of webhooks on loopback; `answer(event, headers)` gives a status, or (status, headers)."""

    def __init__(self, answer=lambda event, headers: 204):
        self.requests, self.answer, self.body = [], answer, None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append((dict(self.headers), body))
                answer = outer.answer(json.loads(body), self.headers)
                code, headers = answer if isinstance(answer, tuple) else (answer, {})
                if outer.body and code == 204:
                    code = 200
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                said = json.dumps(outer.body(json.loads(body))).encode() if outer.body else b""
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def events(self):
        return [json.loads(body) for _, body in self.requests]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Outlets(Live):
    """With helpers that make alerts fire and resolve."""

    clock = 0

    def alarm(self, *devices, resolve=False):
        """Each device's alert fires; with `resolve` it also ends."""
        publisher = self.publisher()
        start = int(time.time()) * 1000 - 60_000 + Outlets.clock % 50_000
        Outlets.clock += 100
        levels = [75, 75, 75, 75] + ([50] if resolve else [])
        publisher.publish((f"patrol/v1/in/gw/noise/{device}", json.dumps({"ts": start + i * 1000, "laeq": level}))
                          for i, level in enumerate(levels) for device in devices)

    def calm(self, *devices):
        self.publisher().publish((f"patrol/v1/in/gw/noise/{device}", json.dumps({"ts": int(time.time()) * 1000, "laeq": 50}))
                                 for device in devices)

    def events(self, query="after=0&limit=5000"):
        status, body = self.get(f"/api/v1/events?{query}")
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def wait_for_events(self, count):
        self.assertTrue(until(lambda: len(self.events()["items"]) >= count), self.said())
        return self.events()["items"]

    def retained(self, filter="patrol/v1/state/alerts/+"):
        """Topic → payload of what the broker retains."""
        result = subprocess.run(["mosquitto_sub", "-p", str(self.port), "-v", "-W", "1", "-t", filter, "--retained-only"],
                                capture_output=True, text=True)
        return dict(line.split(" ", 1) for line in result.stdout.splitlines() if " " in line)

    def open_alerts(self):
        return {f"patrol/v1/state/alerts/{row[0]}" for row in query(self.store, "SELECT id FROM alert WHERE state = 'firing'")}

    def restart(self):
        self.stop_patrol()
        self.run_patrol()


class TheStream(Outlets):
    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        super().setUp()

    def more_settings(self):
        self.path("key.txt", KEY + "\n")
        self.path("old.txt", OLD_KEY + "\n")
        return f"""
outlets:
  webhooks:
    - name: duty-room
      url: http://127.0.0.1:{self.receiver.port}/hook
      secret_files: [key.txt, old.txt]
      private_addresses: allow
"""

    def test_every_outlet_gives_the_same_events(self):
        heard = self.path("heard.txt")
        listen = ["mosquitto_sub", "-p", str(self.port), "-c", "-i", "listener", "-q", "1", "-t", "patrol/v1/out/#"]
        subprocess.run(listen + ["-E"], check=True)  # subscribed before anything happens
        with open(heard, "w") as out:
            listener = subprocess.Popen(listen, stdout=out)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.terminate)
        stream = socket.create_connection(("127.0.0.1", self.http), 10)
        self.addCleanup(stream.close)
        stream.sendall(b"GET /api/v1/stream?after=0 HTTP/1.1\r\nHost: x\r\n\r\n")
        self.alarm("m1", "m2", resolve=True)
        pulled = self.wait_for_events(6)
        self.assertEqual([int(event["sequence"]) for event in pulled], [1, 2, 3, 4, 5, 6])
        self.assertEqual({event["id"] for event in pulled}, {f"{event['epoch']}-{int(event['sequence'])}" for event in pulled})
        self.assertTrue(until(lambda: len(self.receiver.events) == 6))
        self.assertTrue(until(lambda: open(heard).read().count("\n") == 6))
        order = lambda events: sorted(events, key=lambda event: event["sequence"])
        self.assertEqual(order(self.receiver.events), pulled)
        self.assertEqual([json.loads(line) for line in open(heard)], pulled)
        text = b""
        while text.count(b"\ndata: {\"specversion\"") < 6:
            text += stream.recv(65536)
        streamed = [json.loads(line[6:]) for line in text.decode().splitlines() if line.startswith('data: {"specversion"')]
        self.assertEqual(streamed, pulled)
        # Resumed behind the third.
        status, body = self.get(f"/api/v1/events?after={pulled[2]['id']}")
        self.assertEqual(json.loads(body)["items"], pulled[3:])
        # Chosen, the same by both.
        for choice in ("type=patrol.alert.*", "type=patrol.task.reported,patrol.alert.resolved", "rule=loud", "severity=critical,warning",
                       "area=unknown&severity=warning&rule=loud&type=patrol.alert.firing", "area=33", "rule=other"):
            chosen = self.events(f"after=0&{choice}")["items"]
            with socket.create_connection(("127.0.0.1", self.http), 10) as stream:
                stream.sendall(f"GET /api/v1/stream?after=0&{choice} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                text = b""
                while text.count(b"\ndata: {\"specversion\"") < len(chosen) or b"event: hello" not in text:
                    text += stream.recv(65536)
            self.assertEqual([json.loads(line[6:]) for line in text.decode().splitlines() if line.startswith('data: {"specversion"')],
                             chosen, choice)
            self.assertEqual(len(chosen), {"area=33": 0, "rule=other": 0, "severity=critical,warning": 6}.get(choice, len(chosen)), choice)
        self.assertEqual([event["type"] for event in self.events("after=0&rule=loud")["items"]],
                         [event["type"] for event in pulled if event["type"].startswith("patrol.alert.")])
        # Every way out has its figures.
        metrics = dict(line.rsplit(" ", 1) for line in self.get("/metrics")[1].splitlines() if not line.startswith("#"))
        for outlet in ("mqtt", "webhook:duty-room"):
            for name, value in (("sent_total", 6), ("failures_total", 0), ("lag_events", 0), ("up", 1), ("given_up_total", 0)):
                self.assertEqual(float(metrics[f'patrol_outlet_{name}{{outlet="{outlet}"}}']), value, (outlet, name))
        self.assertGreaterEqual(float(metrics["patrol_pull_events_total"]), 6 + 3)
        self.assertGreaterEqual(float(metrics["patrol_sse_readers"]), 1)
        self.assertEqual(float(metrics["patrol_stream_sequence"]), 6)
        # Each subject in its order.
        for subject in {event["subject"] for event in pulled}:
            mine = [event for event in self.receiver.events if event["subject"] == subject]
            self.assertEqual(mine, order(mine))

    def test_a_long_poll_is_answered_when_something_happens(self):
        answers = []
        poll = threading.Thread(target=lambda: answers.append(self.events("after=0&wait=20&type=patrol.task.*")))
        poll.start()
        self.alarm("m1")
        poll.join(20)
        self.assertEqual([event["type"] for event in answers[0]["items"]], ["patrol.task.reported"])

    def test_a_killed_patrol_sends_what_it_owed(self):
        self.receiver.answer = lambda event, headers: 500
        self.alarm("m1", "m2", resolve=True)
        self.wait_for_events(6)
        self.assertTrue(until(lambda: len(self.receiver.requests) >= 1))
        self.kill_patrol()
        self.receiver.requests.clear()
        self.receiver.answer = lambda event, headers: 204
        self.run_patrol()
        self.assertTrue(until(lambda: len({event["id"] for event in self.receiver.events}) == 6))

    def test_signatures_are_right_for_both_keys(self):
        self.alarm("m1")
        self.assertTrue(until(lambda: len(self.receiver.requests) == 2))
        sys.path.insert(0, ROOT + "/tools")
        import reference_consumer
        headers, body = self.receiver.requests[0]
        headers = {name.lower(): value for name, value in headers.items()}
        now = int(headers["webhook-timestamp"])
        for key in (KEY, OLD_KEY):
            keys = [base64.b64decode(key.removeprefix("whsec_"))]
            self.assertIsNone(reference_consumer.verify(headers, body, keys, now))
            self.assertIsNotNone(reference_consumer.verify(headers, body + b" ", keys, now))
            self.assertIsNotNone(reference_consumer.verify(headers, body, keys, now + 301))
        try:
            import standardwebhooks
        except ImportError:
            return print("the package standardwebhooks is not here: its check is left out")
        self.assertEqual(standardwebhooks.Webhook(KEY).verify(body.decode(), headers)["specversion"], "1.0")
        with self.assertRaises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook("whsec_" + base64.b64encode(b"another key of thirty-two bytes.").decode()).verify(
                body.decode(), headers)

    def test_secrets_are_in_no_log(self):
        self.receiver.answer = lambda event, headers: 500
        self.alarm("m1")
        self.assertTrue(until(lambda: len(self.receiver.requests) >= 1))
        self.stop_patrol()
        said = self.said() + self.get("/metrics")[1]
        self.assertNotIn(KEY.removeprefix("whsec_"), said)


class TheReferenceConsumer(unittest.TestCase):
    """What it takes and what it refuses, without a Patrol."""

    def test_a_replay_changes_nothing_and_what_is_old_or_false_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            db, key = os.path.join(folder, "mine.db"), os.path.join(folder, "key.txt")
            with open(key, "w") as file:
                file.write(KEY)
            port = free_port()
            consumer = subprocess.Popen([sys.executable, CONSUMER, "--db", db, "--listen", str(port), "--secret-file", key])
            self.addCleanup(consumer.wait)
            self.addCleanup(consumer.kill)
            event = {"id": "5f0c11d2-1", "sequence": "0000000000000001", "subject": "a0123456789abcdef", "type": "patrol.alert.firing",
                     "data": {"id": "a0123456789abcdef", "state": "firing"}}

            def send(body, seconds=0, signed=None):
                stamp = str(int(time.time()) + seconds)
                content = f"{event['id']}.{stamp}.".encode() + (signed or body)
                right = hmac.new(base64.b64decode(KEY.removeprefix("whsec_")), content, hashlib.sha256).digest()
                request = urllib.request.Request(f"http://127.0.0.1:{port}/", body, {
                    "webhook-id": event["id"], "webhook-timestamp": stamp, "webhook-signature": "v1," + base64.b64encode(right).decode()})
                try:
                    with urllib.request.urlopen(request, timeout=10) as answer:
                        return answer.status
                except urllib.error.HTTPError as error:
                    return error.code
                except OSError:
                    return None
            body = json.dumps(event).encode()
            other = json.dumps(dict(event, data={"id": "a0123456789abcdef", "state": "resolved"})).encode()
            self.assertTrue(until(lambda: send(body) in (204, 208)))
            self.assertEqual(send(body), 208, "a replay")
            self.assertEqual(send(other), 208, "another body under a known id")
            self.assertEqual(send(other, signed=body), 401, "a signature of another body")
            self.assertEqual(send(body, -301), 401, "signed too long ago")
            self.assertEqual(send(body, 301), 401, "signed in the future")
            self.assertEqual(query(db, "SELECT id, state FROM alert"), [("a0123456789abcdef", "firing")])

    def test_it_is_short(self):
        with open(CONSUMER) as file:
            self.assertLess(len(file.readlines()), 150)


class Steering(Outlets):
    """`patrol outlets`, cursors on the server, dead letters: with Patrol running, and at rest."""

    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        super().setUp()

    def more_settings(self):
        return f"""
outlets:
  webhooks:
    - {{ name: duty-room, url: "http://127.0.0.1:{self.receiver.port}/", private_addresses: allow }}
"""

    def outlets(self, *arguments, code=0):
        result = patrol("outlets", *arguments, "--store", self.store, timeout=40)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def show(self):
        return json.loads(self.outlets("show", "duty-room", "--format", "json").splitlines()[0])

    def test_an_outlet_is_looked_at_and_steered(self):
        self.assertIn("webhook:duty-room", self.outlets("list"))
        self.assertIn("HTTP 204", self.outlets("test", "duty-room", "--as", "li"))
        self.assertEqual(self.receiver.events[0]["type"], "patrol.test")
        self.receiver.requests.clear()
        self.outlets("pause", "duty-room", "--as", "li", "--why", "moving house")
        self.assertEqual((self.show()["condition"], self.show()["reason"]), ("paused", "li: moving house"))
        self.alarm("m1", resolve=True)
        self.wait_for_events(3)
        # It rests over a restart too, and says so.
        self.restart()
        self.assertTrue(until(lambda: self.show()["lag_events"] == 3))
        self.assertEqual(self.receiver.events, [])
        self.assertIn("moving house", json.dumps(self.doctor(self.store)))
        self.outlets("resume", "webhook:duty-room", "--as", "li")
        self.assertTrue(until(lambda: len(self.receiver.events) == 3))
        self.assertTrue(until(lambda: self.show()["lag_events"] == 0))
        self.assertIn("there is no outlet 'nobody'", self.outlets("show", "nobody", code=1))
        self.assertIn("every change names its author", self.outlets("pause", "duty-room", code=2))
        # What skip leaves behind is kept with its bytes, can be sent again, or thrown away.
        self.outlets("pause", "duty-room", "--as", "li")
        self.alarm("m2", "m3", resolve=True)
        events = self.wait_for_events(9)
        self.outlets("skip", "duty-room", "9", "--as", "li")
        self.outlets("resume", "duty-room", "--as", "li")
        self.assertTrue(until(lambda: self.show()["dead_letters"] == 6))
        letters = [json.loads(line) for line in self.outlets("show", "duty-room", "--format", "json").splitlines()[1:]]
        self.assertEqual([letter["payload"] for letter in letters], events[3:])
        self.assertTrue(until(lambda: "webhook:duty-room 6" in json.dumps(self.doctor(self.store))))
        self.receiver.requests.clear()
        self.outlets("retry", "duty-room", "--as", "li", "--sequence", "5")
        self.assertTrue(until(lambda: self.receiver.events == [events[4]]))
        self.assertTrue(until(lambda: self.show()["dead_letters"] == 5))
        self.outlets("drop", "duty-room", "--as", "li", "--sequence", "6")
        self.assertTrue(until(lambda: self.show()["dead_letters"] == 4))
        self.outlets("retry", "duty-room", "--as", "li")
        self.assertTrue(until(lambda: self.show()["dead_letters"] == 0))
        self.stop_patrol()
        self.outlets("pause", "duty-room", "--as", "li")
        self.assertEqual(self.show()["condition"], "paused")
        self.assertIn("needs a running Patrol", self.outlets("test", "duty-room", "--as", "li", code=5))

    def test_a_receiver_that_is_gone_is_left_alone(self):
        self.receiver.answer = lambda event, headers: 410
        self.alarm("m1", resolve=True)
        self.assertTrue(until(lambda: self.show()["condition"] == "paused"))
        asked = len(self.receiver.requests)
        self.restart()
        self.alarm("m2", resolve=True)
        self.wait_for_events(6)
        self.assertEqual(self.show()["condition"], "paused")
        self.assertEqual(len(self.receiver.requests), asked)
        self.receiver.answer = lambda event, headers: 204
        self.outlets("resume", "duty-room", "--as", "li")
        self.assertTrue(until(lambda: len({event["id"] for event in self.receiver.events}) == 6))

    def test_a_consumer_keeps_its_place_on_the_server(self):
        with open(self.store + ".token") as file:
            token = file.read().split("\n")[1]

        def commit(position, token=token):
            request = urllib.request.Request(
                f"http://127.0.0.1:{self.http}/api/v1/cursors/mine/commit", method="POST", headers={"authorization": f"Bearer {token}"},
                data=json.dumps({"as": "mine", "position": position}).encode())
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.status
            except urllib.error.HTTPError as error:
                return error.code
        self.assertEqual(self.get("/api/v1/events?cursor=mine")[0], 404)
        self.alarm("m1", "m2", resolve=True)
        events = self.wait_for_events(6)
        self.assertEqual(commit("0"), 200)
        self.assertEqual(self.events("cursor=mine")["items"], events)
        self.assertEqual(commit(events[3]["id"]), 200)
        self.assertEqual(self.events("cursor=mine")["items"], events[4:])
        self.kill_patrol()
        self.run_patrol()
        with open(self.store + ".token") as file:
            token = file.read().split("\n")[1]
        self.assertEqual(self.events("cursor=mine")["items"], events[4:])
        self.assertEqual(commit("ffffffff-3", token), 409)
        self.assertEqual(commit("here", token), 400)
        self.assertEqual(commit("0", "wrong"), 401)


class AnotherTaskSystem(Outlets):
    """A platform with tickets of its own: number and status come back, and the loop is closed on both sides."""

    def setUp(self):
        self.tickets, self.answers = {}, {}
        self.receiver = Receiver()
        self.receiver.body = self.answer_ticket
        self.addCleanup(self.receiver.close)
        super().setUp()

    def more_settings(self):
        return f"""
outlets:
  systems:
    - {{ name: city, adapter: ticket, url: "http://127.0.0.1:{self.receiver.port}/", private_addresses: allow }}
"""

    def answer_ticket(self, change):
        self.tickets.setdefault(change["reference"], []).append(change)
        return {"ticket": "T-" + change["reference"][1:6], "status": self.answers.get(change["status"], change["status"]), "agent": "Chen"}

    def tasks(self, *arguments, code=0):
        result = patrol("tasks", *arguments, "--store", self.store, timeout=40)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def external(self):
        return query(self.store, "SELECT number, stage, status, conflict FROM task_external")

    def test_the_loop_is_closed_on_both_sides(self):
        self.answers = {"new": "on_site"}
        self.alarm("m1", resolve=True)
        self.assertTrue(until(lambda: query(self.store, "SELECT stage, unit FROM task") == [("on_scene", "city")]), self.said())
        (task,) = self.tickets
        # It closes without a word of what was found: nothing is closed, and both sides know why.
        number = "T-" + task[1:6]
        self.assertIn("feedback needs 'verdict'", self.tasks("external", number, "--stage", "closed", "--as", "city"))
        self.assertTrue(until(lambda: any("feedback needs" in change.get("note", "") for change in self.tickets[task])), self.tickets)
        self.assertEqual(query(self.store, "SELECT stage FROM task"), [("disposed",)])
        self.assertIn("feedback needs", self.tasks("show", task))
        # Patrol is killed; an officer says what he found; the other side's 'closed' is then followed.
        self.kill_patrol()
        self.run_patrol()
        self.tasks("feedback", task, "--verdict", "gone", "--text", "quiet on arrival", "--as", "li", "--role", "officer")
        self.tasks("external", number, "--stage", "closed", "--as", "city")
        self.assertEqual(query(self.store, "SELECT stage FROM task"), [("closed",)])
        self.assertTrue(until(lambda: self.tickets[task][-1]["status"] == "closed"))
        self.assertTrue(until(lambda: self.external() == [(number, "closed", "closed", None)]), self.external())
        what = [row[0] for row in query(self.store, "SELECT what FROM task_event ORDER BY seq")]
        self.assertEqual([name for name in what if "_" not in name or name.startswith("external_")],
                         ["reported", "assigned", "external", "disposed", "external_conflict", "external", "feedback", "closed", "external"])
        self.assertIn(number, self.tasks("show", task, "--lang", "zh"))

    def test_it_answers_over_the_broker(self):
        self.answers = {"new": "new"}
        self.alarm("m1", resolve=True)
        self.assertTrue(until(lambda: self.external() != []), self.said())
        (task,) = self.tickets
        refused = self.path("refused.txt")
        with open(refused, "w") as out:
            listener = subprocess.Popen(["mosquitto_sub", "-p", str(self.port), "-q", "1", "-t", "patrol/v1/rejects/city", "-W", "20", "-C", "1"], stdout=out)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.terminate)
        self.kill_patrol()
        say = lambda text: subprocess.run(["mosquitto_pub", "-p", str(self.port), "-q", "1", "-t", "patrol/v1/in/city/external", "-m", text], check=True)
        # Patrol is down: the broker keeps it.
        say(json.dumps({"task": "T-" + task[1:6], "stage": "on_site", "by": "Chen"}))
        self.run_patrol()
        self.assertTrue(until(lambda: query(self.store, "SELECT stage FROM task") == [("on_scene",)]), self.said())
        say(json.dumps({"task": task, "stage": "lunch"}))
        listener.wait()
        with open(refused) as file:
            reject = json.load(file)
        self.assertEqual((reject["reason"], reject["field"]), ("range", "stage"))
        self.stop_patrol()
        self.assertBalanced(self.store)

    def test_an_answer_that_cannot_be_used_is_said(self):
        self.answers = {"new": "eaten"}
        self.alarm("m1", resolve=True)
        show = lambda: patrol("outlets", "show", "system:city", "--format", "json", "--store", self.store, timeout=40).stdout
        self.assertTrue(until(lambda: "'eaten' is no stage" in show()), show())


class OverMQTT(Outlets):
    def test_retained_states_are_the_open_alerts_whatever_dies(self):
        self.alarm("m1", "m2", "m3")
        self.wait_for_events(6)
        self.assertTrue(until(lambda: set(self.retained()) == self.open_alerts() and len(self.open_alerts()) == 3))
        # Patrol is killed; the broker keeps what it has; meanwhile somebody leaves a stale state behind.
        self.kill_patrol()
        subprocess.run(["mosquitto_pub", "-p", str(self.port), "-q", "1", "-r", "-t", "patrol/v1/state/alerts/a0000000000000000",
                        "-m", "{}"], check=True)
        self.run_patrol()
        self.assertTrue(until(lambda: set(self.retained()) == self.open_alerts()), self.retained())
        self.calm("m1")
        self.assertTrue(until(lambda: len(self.open_alerts()) == 2 and set(self.retained()) == self.open_alerts()))
        # The broker dies and has kept nothing.
        self.broker.kill()
        self.broker.wait()
        self.broker = self.mosquitto(self.port)
        self.assertTrue(until(lambda: set(self.retained()) == self.open_alerts(), 30), self.retained())
        # What is retained is the event itself.
        events = {event["subject"]: event for event in self.events()["items"] if event["type"] == "patrol.alert.firing"}
        for topic, payload in self.retained().items():
            self.assertEqual(json.loads(payload), events[topic.rsplit("/", 1)[1]])

    def test_the_last_will_says_that_patrol_is_gone(self):
        presence = lambda: json.loads(self.retained("patrol/v1/state/patrol").get("patrol/v1/state/patrol", "{}"))
        self.assertTrue(until(lambda: presence().get("online") is True))
        self.assertEqual(presence()["epoch"], self.events()["epoch"])
        self.kill_patrol()
        self.assertTrue(until(lambda: presence() == {"online": False, "reason": "gone"}))
        self.run_patrol()
        self.assertTrue(until(lambda: presence().get("online") is True))
        self.stop_patrol()
        self.assertTrue(until(lambda: presence() == {"online": False, "reason": "stopped"}))

    def test_nothing_is_sent_twice_after_a_clean_end(self):
        heard = self.path("heard.txt")
        with open(heard, "w") as out:
            listener = subprocess.Popen(
                ["mosquitto_sub", "-p", str(self.port), "-q", "1", "-t", "patrol/v1/out/#"], stdout=out)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.terminate)
        for number in range(3):
            self.alarm(f"m{number}", resolve=True)
            self.wait_for_events(3 * number + 3)
            self.restart()
        self.assertTrue(until(lambda: open(heard).read().count("\n") >= 9))
        ids = [json.loads(line)["id"] for line in open(heard)]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(len(ids), 9)


class ABackup(Outlets):
    def consume(self, db):
        result = subprocess.run([sys.executable, CONSUMER, "--db", db, "--pull", f"http://127.0.0.1:{self.http}", "--once"],
                                capture_output=True, text=True, timeout=30)
        self.assertEqual(result.returncode, 0, result.stderr)

    def assertEqualTables(self, db):
        self.assertEqual(query(db, "SELECT id, state FROM alert ORDER BY id"),
                         query(self.store, "SELECT id, state FROM alert WHERE state <> 'pending' ORDER BY id"))
        self.assertEqual(query(db, "SELECT id, stage FROM task ORDER BY id"),
                         query(self.store, "SELECT id, stage FROM task ORDER BY id"))

    def test_consumers_notice_a_restored_backup(self):
        mine = self.path("mine.db")
        os.unlink(mine) if os.path.exists(mine) else None
        self.alarm("m1", resolve=True)
        self.wait_for_events(3)
        self.consume(mine)
        self.assertEqualTables(mine)
        backup = self.path("backup.db")
        with sqlite3.connect(self.store) as live, sqlite3.connect(backup) as copy:
            live.backup(copy)
        self.alarm("m2", resolve=True)
        self.wait_for_events(6)
        self.consume(mine)
        before = self.events()
        self.stop_patrol()
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(self.store + suffix):
                os.unlink(self.store + suffix)
        shutil.copy(backup, self.store)
        self.run_patrol()
        # The same numbers come again, for other events.
        self.alarm("m3", "m4", resolve=True)
        after = self.wait_for_events(9)
        self.assertEqual(after[:3], before["items"][:3])
        self.assertFalse({event["id"] for event in before["items"][3:]} & {event["id"] for event in after[3:]})
        self.assertEqual(query(mine, "SELECT count(*) FROM trouble"), [(0,)])
        self.consume(mine)
        self.assertEqual(query(mine, "SELECT count(*) FROM trouble"), [(1,)])
        self.assertEqualTables(mine)
        # A stream that resumes is told as well.
        with socket.create_connection(("127.0.0.1", self.http), 10) as stream:
            stream.sendall(f"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {before['next']}\r\n\r\n".encode())
            text = b""
            while b"event: hello" not in text:
                text += stream.recv(65536)
        self.assertIn(b"event: reset", text)


class ToAlertmanager(Outlets):
    """A real Alertmanager on loopback, whose own API says what it holds."""

    def setUp(self):
        self.am = free_port()
        super().setUp()

    def more_settings(self):
        return f"""
outlets:
  alertmanager:
    - {{ name: am, url: "http://127.0.0.1:{self.am}", private_addresses: allow, resend: 1s, timeout: 2s }}
"""

    def start_alertmanager(self):
        program = shutil.which("prometheus-alertmanager")
        if program is None:
            if CI:
                raise AssertionError("prometheus-alertmanager is missing")
            self.skipTest("skipped: prometheus-alertmanager is not here")
        config = self.path("am.yml", "route: { receiver: none }\nreceivers: [{ name: none }]\n")
        process = self.start([program, f"--config.file={config}", f"--storage.path={self.path('am')}", "--cluster.listen-address=",
                              f"--web.listen-address=127.0.0.1:{self.am}"])
        self.assertTrue(until(lambda: self.get("/-/ready", self.am)[0] == 200), "Alertmanager did not start")
        return process

    def held(self, more=""):
        status, body = self.get("/api/v2/alerts?" + more, self.am)
        return {alert["annotations"]["patrol_id"]: alert for alert in json.loads(body)} if status == 200 else {}

    def firing(self):
        return {row[0] for row in query(self.store, "SELECT id FROM alert WHERE state = 'firing'")}

    def test_it_holds_what_is_open_and_its_silences_work(self):
        manager = self.start_alertmanager()
        self.alarm("m1", "m2")
        self.assertTrue(until(lambda: set(self.held()) == self.firing() and len(self.firing()) == 2), self.held())
        alert = next(alert for alert in self.held().values() if alert["labels"]["device"] == "m1")
        self.assertEqual(alert["labels"], {"alertname": "loud", "device": "m1", "kind": "noise", "area": "unknown", "severity": "warning"})
        self.calm("m1")
        self.assertTrue(until(lambda: set(self.held()) == self.firing() and len(self.firing()) == 1), self.held())
        now = time.time()
        stamp = lambda at: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
        request = urllib.request.Request(f"http://127.0.0.1:{self.am}/api/v2/silences", headers={"content-type": "application/json"}, data=json.dumps({
            "matchers": [{"name": "device", "value": "m2", "isRegex": False, "isEqual": True}], "startsAt": stamp(now - 60),
            "endsAt": stamp(now + 600), "createdBy": "test", "comment": "test"}).encode())
        urllib.request.urlopen(request, timeout=5).close()
        self.assertTrue(until(lambda: [alert["status"]["state"] for alert in self.held().values()] == ["suppressed"]), self.held())
        # It is killed and has forgotten everything; Patrol too is killed: what is open is told again.
        manager.kill()
        manager.wait()
        shutil.rmtree(self.path("am"), ignore_errors=True)
        self.alarm("m3")
        self.kill_patrol()
        self.run_patrol()
        self.start_alertmanager()
        self.assertTrue(until(lambda: set(self.held()) == self.firing() and len(self.firing()) == 2, 30), self.held())


class TheGuide(Outlets):
    """Every command in the guides does what it says, in both languages."""

    def run_guide(self, name):
        with open(f"{ROOT}/Deploy/docs/{name}") as file:
            blocks = re.findall(r"```sh\n(.*?)```", file.read(), re.S)
        self.assertGreater(len(blocks), 5)
        # An alert a second, for those who listen.
        stopping = threading.Event()
        def trouble():
            number = 0
            while not stopping.is_set():
                self.alarm(f"g{number}", resolve=True)
                number += 1
                stopping.wait(1)
        thread = threading.Thread(target=trouble)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stopping.set)
        os.symlink(ROOT + "/tools", self.path("tools"))
        outputs = []
        for block in blocks:
            block = block.replace("8080", str(self.http)).replace("-p 1883", f"-p {self.port}")
            result = subprocess.run(["bash", "-euc", block], cwd=self.folder, capture_output=True, text=True, timeout=60)
            self.assertEqual(result.returncode, 0, block + result.stdout + result.stderr)
            self.assertTrue(result.stdout.strip(), block)
            outputs.append(result.stdout)
        # The settings of the guide are settings.
        with open(f"{ROOT}/Deploy/docs/{name}") as file:
            blocks = re.findall(r"```yaml\n(.*?)```", file.read(), re.S)
        self.assertEqual(len(blocks), 2)
        os.makedirs(self.path("secrets"), exist_ok=True)
        for secret in ("duty.key", "city.token"):
            self.path("secrets/" + secret, KEY + "\n")
        for block in blocks:
            config = self.path("guide.yaml", f"broker: {{ url: mqtt://127.0.0.1:{self.port} }}\nstore: {{ path: guide.db }}\n" + block)
            result = patrol("check", config)
            self.assertEqual(result.returncode, 0, block + result.stdout + result.stderr)
        self.assertIn('"items":[', outputs[0])
        self.assertIn('"type":"patrol.alert.', outputs[1])
        self.assertIn("event: hello", outputs[3])
        self.assertIn('"specversion":"1.0"', outputs[4])
        self.assertIn('"online":true', outputs[4])

    def test_in_english(self):
        self.run_guide("consumers.md")

    def test_in_chinese(self):
        self.run_guide("consumers.zh-CN.md")


class Documents(Outlets):
    """What is served is what public validators call right, and real events are what the schemas say."""

    def test_real_events_are_what_the_schemas_say(self):
        try:
            import jsonschema
        except ImportError:
            return self.skip("jsonschema")
        heard = self.path("heard.txt")
        with open(heard, "w") as out:
            listener = subprocess.Popen(["mosquitto_sub", "-p", str(self.port), "-v", "-t", "patrol/v1/out/#", "-t",
                                         "patrol/v1/state/#", "-t", "patrol/v1/rejects/#", "-t", "patrol/v1/status/#"], stdout=out)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.terminate)
        self.alarm("m1", "m2", resolve=True)
        self.publish("m1", '{"ts": "noon", "laeq": 60}')
        self.wait_for_events(6)
        def told():
            with open(heard) as file:
                return file.read()
        self.assertTrue(until(lambda: "rejects" in told() and told().count("/out/") == 6 and "/status/" in told(), 20), told())
        task = self.events("after=0&type=patrol.task.*")["items"][-1]["subject"]
        for change in ("accept", "comment"):
            patrol("tasks", change, task, *(["x"] if change == "comment" else []), "--as", "li", "--store", self.store)
        patrol("tasks", "external", task, "--number", "7", "--stage", "closed", "--as", "city", "--store", self.store)
        patrol("outlets", "test", "mqtt", "--as", "li", "--store", self.store)
        patrol("alerts", "silence", "add", "--device", "nobody", "--for", "1h", "--reason", "blasting", "--as", "li", "--store", self.store)
        self.assertTrue(until(lambda: all(name in told() for name in ("external_conflict", "/out/test", "/out/silences"))), told())
        names = json.loads(self.get("/api/v1/schemas")[1])["items"]
        schemas = {name: json.loads(self.get(f"/api/v1/schemas/{name}")[1]) for name in names}
        check = jsonschema.Draft202012Validator
        for schema in schemas.values():
            check.check_schema(schema)
        # Whatever Patrol publishes is on a channel of the document, and one of its messages.
        document = json.loads(self.get("/api/v1/asyncapi.json")[1])
        channels = {re.compile(re.sub(r"\{[^}]*\}", "[^/]+", channel["address"])): channel for channel in document["channels"].values()}
        used = set()
        for line in told().splitlines():
            topic, _, payload = line.strip().partition(" ")
            if topic.startswith("patrol/v1/state/alerts/") and payload == "(null)":
                continue  # cleared
            value = json.loads(payload)
            channel = next((channel for address, channel in channels.items() if address.fullmatch(topic)), None)
            self.assertIsNotNone(channel, topic)
            used.add(channel["address"])
            messages = [document["components"]["messages"][name]["payload"] for name in channel["messages"]]
            check({"anyOf": messages, "components": document["components"]}).validate(value)
            if "/out/" in topic and not topic.endswith("/out/test"):
                check(schemas["event.1.json"]).validate(value)
                _, _, _, name, number = value["dataschema"].split(":")
                check(schemas[f"{name}.{number}.json"]).validate(value["data"])
        self.assertEqual(used, {channel["address"] for channel in channels.values() if "/in/" not in channel["address"]})
        # The examples too, and the members of an example are those of a real event.
        real = {event["type"]: event for event in self.events()["items"]}
        for message in document["components"]["messages"].values():
            for example in message["examples"]:
                value = example["payload"]
                schema = dict(message["payload"], components=document["components"])
                check(schema).validate(value)
                if value.get("type") in real:
                    self.assertEqual(set(value), set(real[value["type"]]))
                    optional = {"site", "resolved_at", "unit", "why", "text", "source", "from", "lat", "lon", "standard", "coverage"}
                    self.assertLessEqual(set(value["data"]) ^ set(real[value["type"]]["data"]), optional)

    def test_openapi_is_valid(self):
        try:
            import openapi_spec_validator
        except ImportError:
            return self.skip("openapi-spec-validator")
        document = json.loads(self.get("/api/v1/openapi.json")[1])
        openapi_spec_validator.validate(document)

    def test_asyncapi_is_valid(self):
        try:
            import pydantic_asyncapi
        except ImportError:
            return self.skip("pydantic-asyncapi")
        document = pydantic_asyncapi.AsyncAPI.model_validate_json(self.get("/api/v1/asyncapi.json")[1])
        self.assertEqual(str(document.root.asyncapi if hasattr(document, "root") else document.asyncapi), "3.0.0")

    def skip(self, package):
        if CI:
            raise AssertionError(f"the package {package} is missing")
        self.skipTest(f"skipped: the package {package} is not here")


if __name__ == "__main__":
    unittest.main()
