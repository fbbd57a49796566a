"""Changes as an operator makes them: through a running Patrol, on a store at rest, and two at once."""
import json
import os
import socket
import stat
import subprocess
import threading
import time

from support import Live, patrol, query, until


class Actions(Live):
    def an_alert(self):
        start = int(time.time()) - 10
        for second, level in enumerate([60, 71, 72, 73, 74]):
            self.publish("m1", json.dumps({"ts": (start + second) * 1000, "laeq": level, "seq": second}))
        self.assertTrue(until(lambda: query(self.store, "SELECT count(*) FROM alert WHERE state = 'firing'") == [(1,)]))
        return query(self.store, "SELECT id FROM alert")[0][0]

    def change(self, *arguments, **options):
        return patrol(*arguments, "--store", self.store, **options)

    def token(self):
        with open(self.store + ".token") as file:
            return file.read().split()

    def post(self, path, body, token):
        with socket.create_connection(("127.0.0.1", self.http), 5) as s:
            data = json.dumps(body).encode()
            s.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n"
                      f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
            answer = b""
            while chunk := s.recv(65536):
                answer += chunk
        head, _, rest = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(rest)

    def test_through_a_running_patrol_and_on_a_store_at_rest(self):
        alert = self.an_alert()
        events = self.path("events.txt")
        with open(events, "w") as out:
            listener = subprocess.Popen(["mosquitto_sub", "-p", str(self.port), "-q", "1", "-t", "patrol/v1/out/#"], stdout=out)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.terminate)
        self.assertEqual(stat.S_IMODE(os.stat(self.store + ".token").st_mode), 0o600)

        result = self.change("alerts", "ack", alert[:6], "--as", "王敏", "--why", "on it", "--format", "json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["acknowledged_by"], "王敏")
        # Answered after the commit: it is there at once.
        self.assertEqual(query(self.store, "SELECT who, text FROM alert_note"), [("王敏", "on it")])
        again = self.change("alerts", "ack", alert, "--as", "李强")
        self.assertEqual(again.returncode, 1)
        self.assertIn("王敏 has acknowledged", again.stderr)
        self.assertTrue(until(lambda: "patrol.alert.acknowledged" in open(events).read()))
        nameless = self.change("alerts", "ack", alert, env={k: v for k, v in os.environ.items() if k != "PATROL_AS"})
        self.assertEqual(nameless.returncode, 2)
        self.assertIn("--as", nameless.stderr)

        self.stop_patrol()
        self.assertFalse(os.path.exists(self.store + ".token"))
        result = self.change("alerts", "comment", alert, "told the site", "--as", "王敏")
        self.assertEqual(result.returncode, 0, result.stderr)
        shown = json.loads(self.change("alerts", "show", alert[:5], "--format", "json").stdout)
        self.assertEqual([note["what"] for note in shown["notes"]], ["acknowledged", "comment"])
        self.assertEqual(shown["acknowledged_by"], "王敏")
        self.assertIn("told the site", self.change("alerts", "show", alert).stdout)
        self.assertIn("确认人", self.change("alerts", "list", "--lang", "zh").stdout)
        # What was said at rest goes out when Patrol is back.
        self.run_patrol()
        self.assertTrue(until(lambda: "told the site" in open(events).read()))

    def test_a_silence_by_the_command_line_and_by_http(self):
        added = self.change(
            "alerts", "silence", "add", "--device", "m*", "--kind", "noise", "--for", "1h", "--reason", "announced", "--as", "王敏",
            "--format", "json")
        self.assertEqual(added.returncode, 0, added.stderr)
        silence = json.loads(added.stdout)["id"]
        alert = self.an_alert()
        self.assertEqual(query(self.store, "SELECT count(*) FROM task"), [(0,)])
        listed = json.loads(self.change("alerts", "list", "--format", "json").stdout)
        self.assertEqual((listed["id"], listed["silenced_by"]), (alert, silence))
        self.assertIn(silence, self.change("alerts", "silence", "list").stdout)
        # By HTTP: what stands, and the same end that the command makes.
        page = json.loads(self.get("/api/v1/silences?state=standing")[1])
        self.assertEqual([(item["id"], item["author"], json.loads(item["match"])) for item in page["items"]],
                         [(silence, "王敏", {"devices": ["m*"], "kinds": ["noise"]})])
        status, refused = self.post("/api/v1/silences", {"as": "a", "reason": "r", "until": 1, "kinds": ["noise"]}, self.token()[-1])
        self.assertEqual((status, refused["field"]), (400, "until"))
        status, answer = self.post(f"/api/v1/silences/{silence[:6]}/expire", {"as": "李强"}, self.token()[-1])
        self.assertEqual((status, answer["ended_by"]), (200, "李强"), answer)
        # It still fires: now its task is there, and its second event.
        self.assertEqual(query(self.store, "SELECT alert_id FROM task"), [(alert,)])
        self.assertEqual(
            query(self.store, "SELECT json_extract(payload, '$.type') FROM outbox WHERE json_extract(payload, '$.type') NOT LIKE '%task%' ORDER BY seq"),
            [("patrol.silence.created",), ("patrol.alert.firing",), ("patrol.silence.expired",), ("patrol.alert.firing",)])
        self.assertIn("no silence", self.change("alerts", "silence", "list", "--lang", "en").stdout)
        self.assertIn("李强", self.change("alerts", "silence", "list", "--all").stdout)

    def test_a_killed_patrol_leaves_a_token_that_stands_in_nobodys_way(self):
        alert = self.an_alert()
        self.kill_patrol()
        self.assertTrue(os.path.exists(self.store + ".token"))
        result = self.change("alerts", "ack", alert, "--as", "王敏")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(query(self.store, "SELECT who FROM alert_note"), [("王敏",)])

    def test_two_operators_at_once(self):
        alert = self.an_alert()
        _, token = self.token()
        statuses, lock = [], threading.Lock()

        def work(name):
            for _ in range(25):
                status, answer = self.post(f"/api/v1/alerts/{alert}/ack", {"as": name}, token)
                with lock:
                    statuses.append((status, answer.get("error", "")))

        threads = [threading.Thread(target=work, args=(f"P{i}",)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winner = query(self.store, "SELECT who FROM alert_note")
        self.assertEqual(len(winner), 1)
        self.assertEqual([s for s, _ in statuses].count(200), 1)
        self.assertEqual([s for s, e in statuses].count(409), 199)
        self.assertTrue(all(winner[0][0] in error for status, error in statuses if status == 409))
        self.assertEqual(self.post(f"/api/v1/alerts/{alert}/ack", {"as": "x"}, "wrong")[0], 401)
