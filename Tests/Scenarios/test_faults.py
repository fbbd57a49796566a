"""What goes wrong around Patrol, one fault at a time: disk, store, broker, clients, signals. Each scenario asserts that
nothing else is lost: what came before, during and after the fault is stored exactly once, and the accounting balances."""
import hashlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import unittest

from support import PATROL, Disk, Flood, Folder, Live, cpu_seconds, free_port, highest_kilobytes, mount, patrol, query, unmount, until

IS_ROOT = os.geteuid() == 0


def noise(seq, device="m1", gateway="gw", now=None):
    """A reading whose `seq` tells it from all others; a second apart, the newest now."""
    ts = (now or int(time.time() * 1000)) - 1000
    return f"patrol/v1/in/{gateway}/noise/{device}", json.dumps({"ts": ts + seq % 1000, "laeq": 50 + seq % 15, "seq": seq})


class DiskFull(Live):
    """The store lies on a file system of its own of 8 MB, which is filled to the last byte."""

    starts_patrol = False

    def store_path(self):
        self.disk = Disk(self, megabytes=8)
        return os.path.join(self.disk.path, "patrol.db")

    def test_nothing_is_acknowledged_until_there_is_room_again(self):
        self.run_patrol()
        publisher = self.publisher()
        publisher.publish(noise(i) for i in range(500))
        self.assertTrue(until(lambda: self.stored() == 500))
        self.disk.fill()
        publisher.publish(noise(i) for i in range(500, 2000))
        self.assertTrue(until(lambda: self.ready() == 503), "ready though the disk is full")
        before = self.stored()
        self.assertIn("no room", self.get("/readyz")[1])
        self.assertTrue(until(lambda: "no room" in self.said(), 5), f"nothing of the full disk on stderr: {self.said()}")
        self.assertIsNone(self.patrol.poll())
        self.disk.make_room()
        self.assertTrue(until(lambda: self.ready() == 200, 20), self.get("/readyz")[1])
        publisher.publish(noise(i) for i in range(2000, 2500))
        self.assertAllStored(2500)
        self.assertLess(before, 2000)
        # Full once more, and killed while it is full: whatever was acknowledged without being stored would be gone.
        self.disk.fill()
        publisher.publish(noise(i) for i in range(2500, 4000))
        self.assertTrue(until(lambda: self.ready() == 503))
        self.kill_patrol()
        self.disk.make_room()
        self.run_patrol()
        self.assertAllStored(4000)
        self.stop_patrol()
        self.assertBalanced(self.store)

    def test_a_replay_without_room_ends_with_words_and_leaves_a_sound_store(self):
        recording = self.path("r.txt", "".join(" ".join(noise(i)) + "\n" for i in range(50_000)))
        small = self.path("disk/r.db")
        with open(self.path("disk/ballast"), "wb") as file:
            file.write(bytes(7 << 20))
        result = patrol("replay", recording, "--into", small)
        self.assertEqual(result.returncode, 5, result.stderr)
        self.assertIn(small, result.stderr)
        self.assertIn("no room", result.stderr)
        self.disk.make_room()
        self.assertBalanced(small)
        self.assertEqual(patrol("replay", recording, "--into", small).returncode, 0)
        self.assertEqual(query(small, "SELECT count(*), count(DISTINCT seq) FROM noise"), [(50_000, 50_000)])
        self.assertBalanced(small)


class ForeignReader(Live):
    """Another program holds a snapshot of the store while readings come in."""

    def setUp(self):
        os.environ["PATROL_STORE_WAL_CAP_MB"] = "1"
        self.addCleanup(os.environ.pop, "PATROL_STORE_WAL_CAP_MB")
        super().setUp()

    def test_the_log_outgrows_its_cap_with_an_alarm_and_shrinks_when_the_reader_leaves(self):
        publisher = self.publisher()
        publisher.publish(noise(i) for i in range(10))
        self.assertTrue(until(lambda: self.stored() == 10))
        reader = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)
        self.addCleanup(reader.close)
        reader.execute("BEGIN")
        self.assertEqual(reader.execute("SELECT count(*) FROM noise").fetchone()[0], 10)
        sent = 10
        while self.metric("wal_over_cap") != 1:
            self.assertLess(sent, 100_000, "no alarm")
            publisher.publish(noise(i) for i in range(sent, sent + 500))
            sent += 500
        publisher.publish(noise(i) for i in range(sent, sent + 2000))
        sent += 2000
        self.assertTrue(until(lambda: self.stored() == sent), "ingest stands still")
        self.assertEqual(reader.execute("SELECT count(*) FROM noise").fetchone()[0], 10)
        self.assertEqual(self.said().count("more than its cap"), 1, self.said())
        reader.close()
        self.assertTrue(until(lambda: self.metric("wal_over_cap") == 0), "the alarm stays on")
        self.assertLessEqual(os.path.getsize(self.store + "-wal"), 1 << 20)
        self.assertAllStored(sent)


class BrokerDenies(Live):
    """A real mosquitto that asks for a password and grants by list."""

    starts_patrol = False

    def deny(self, user_password, acl):
        passwords = self.path("passwords", "")
        subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "patrol", "right"], check=True, capture_output=True)
        self.path("acl", acl)
        port = free_port()
        more = f"allow_anonymous false\npassword_file {passwords}\nacl_file {self.path('acl')}\n"
        for name in ["passwords", "acl"]:
            os.chmod(self.path(name), 0o644)
        os.chmod(self.folder, 0o755)
        self.broker = self.mosquitto(port, more)
        with open(self.config) as file:
            text = file.read().replace(f"127.0.0.1:{self.port}\", client_id: test", f"127.0.0.1:{port}\", client_id: test, "
                                       "username: patrol")
        self.path("patrol.yaml", text)
        environment = dict(os.environ, PATROL_BROKER_PASSWORD=user_password)
        self.patrol = self.start([PATROL, "run", "--config", self.config], self.errors, env=environment)

    def test_a_wrong_password(self):
        self.deny("wrong", "user patrol\ntopic readwrite patrol/#\n")
        self.assertTrue(until(lambda: "refused the connection" in self.said()), self.said())
        self.assertTrue(until(lambda: self.ready() == 503), self.said())
        self.assertRegex(self.get("/readyz")[1], "refused the connection")

    def test_the_right_password(self):
        self.deny("right", "user patrol\ntopic readwrite patrol/#\n")
        self.assertTrue(until(lambda: self.ready() == 200), self.said())


class NotWritable(Folder):
    def setUp(self):
        super().setUp()
        self.recording = self.path("r.txt", "".join(" ".join(noise(i)) + "\n" for i in range(10)))

    def run_settings(self, store):
        return self.path("patrol.yaml", f"broker: {{ url: \"mqtt://127.0.0.1:{free_port()}\", client_id: test }}\n"
                         f"store: {{ path: \"{store}\" }}\nhttp: {{ listen: \"127.0.0.1:{free_port()}\" }}\n")

    def assertRefused(self, store, before=()):
        for command in [["run", "--config", self.run_settings(store)], ["replay", self.recording, "--into", store]]:
            result = subprocess.run([*before, PATROL, *command], capture_output=True, text=True, timeout=30)
            self.assertEqual(result.returncode, 5, f"{command[0]}: {result.stderr}")
            self.assertIn(store, result.stderr)
            self.assertIn("write permission", result.stderr)

    @unittest.skipUnless(IS_ROOT, "skipped: only root may mount")
    def test_a_read_only_file_system(self):
        disk = self.path("disk")
        os.mkdir(disk)
        mount("-t", "tmpfs", "-o", "size=16m", "patrol-test", disk)
        self.addCleanup(unmount, disk)
        store = os.path.join(disk, "patrol.db")
        self.assertEqual(patrol("replay", self.recording, "--into", store).returncode, 0)
        mount("-o", "remount,ro", disk)
        self.assertRefused(store)
        mount("-o", "remount,rw", disk)
        self.assertEqual(patrol("replay", self.recording, "--into", store).returncode, 0)
        self.assertEqual(query(store, "SELECT count(*) FROM noise"), [(10,)])
        self.assertBalanced(store)

    def other_user(self):
        """How to run a command as somebody whom file modes bind."""
        if not IS_ROOT:
            return []
        os.chmod(self.folder, 0o755)
        before = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        if subprocess.run([*before, PATROL, "--version"], capture_output=True).returncode != 0:
            raise unittest.SkipTest("skipped: the program cannot be run as another user here")
        return before

    def test_a_folder_that_is_not_ours(self):
        before = self.other_user()
        folder = self.path("theirs")
        os.mkdir(folder, 0o555)
        self.assertRefused(os.path.join(folder, "patrol.db"), before)
        self.assertEqual(os.listdir(folder), [])

    def test_a_store_file_that_is_read_only(self):
        before = self.other_user()
        folder = self.path("ours")
        os.mkdir(folder)
        store = os.path.join(folder, "patrol.db")
        self.assertEqual(patrol("replay", self.recording, "--into", store).returncode, 0)
        os.chmod(folder, 0o777)
        for name in os.listdir(folder):
            os.chmod(os.path.join(folder, name), 0o666)
        os.chmod(store, 0o444)
        self.assertRefused(store, before)
        self.assertEqual(query(store, "SELECT count(*) FROM noise"), [(10,)])


class StrangeStore(Folder):
    """Files that are no store, or no longer: said with path and remedy, exit code 5, never a signal, file untouched."""

    def setUp(self):
        super().setUp()
        self.recording = self.path("r.txt", "".join(" ".join(noise(i, f"m{i % 50}")) + "\n" for i in range(20_000)))
        self.store = self.path("patrol.db")

    def make(self):
        self.assertEqual(patrol("replay", self.recording, "--into", self.store).returncode, 0)
        self.assertFalse(os.path.exists(self.store + "-wal") and os.path.getsize(self.store + "-wal"))

    def alter(self, sql):
        connection = sqlite3.connect(self.store, isolation_level=None)
        connection.execute(sql)
        connection.close()

    def page_of(self, sql):
        return query(self.store, sql)[0][0]

    def damage(self, page):
        size = query(self.store, "PRAGMA page_size")[0][0]
        with open(self.store, "r+b") as file:
            file.seek((page - 1) * size)
            file.write(bytes([0xA5]) * size)

    def digest(self):
        with open(self.store, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    def commands(self):
        settings = self.path("patrol.yaml", f"broker: {{ url: \"mqtt://127.0.0.1:{free_port()}\", client_id: test }}\n"
                             f"store: {{ path: \"{self.store}\" }}\nhttp: {{ listen: \"127.0.0.1:{free_port()}\" }}\n")
        return [["run", "--config", settings], ["replay", self.recording, "--into", self.store],
                ["query", "alerts", "--store", self.store], ["tail", "--no-follow", "--store", self.store]]

    def assertRefused(self, *words):
        before = self.digest()
        for command in self.commands():
            with self.subTest(command=command[0], words=words):
                try:
                    result = patrol(*command, timeout=20)
                except subprocess.TimeoutExpired:
                    self.fail("went on as if nothing were wrong")
                self.assertEqual(result.returncode, 5, result.stderr)
                for word in [self.store, *words]:
                    self.assertIn(word, result.stderr)
                self.assertLess(result.stderr.count("\n"), 5, "a page of text instead of a sentence")
        with self.subTest("untouched", words=words):
            self.assertEqual(self.digest(), before, "the file was changed")

    def test_from_a_newer_version(self):
        self.make()
        self.alter("INSERT INTO grdb_migrations VALUES ('99 from the future')")
        self.assertRefused("newer Patrol", "install the Patrol")

    def test_random_bytes(self):
        with open(self.store, "wb") as file:
            file.write(os.urandom(100_000))
        self.assertRefused("not a Patrol store")

    def test_text(self):
        self.path("patrol.db", "timezone: Asia/Shanghai\n" * 100)
        self.assertRefused("not a Patrol store")

    def test_a_database_of_something_else(self):
        self.alter("CREATE TABLE song (title TEXT)")
        self.assertRefused("not a Patrol store")

    def test_truncated(self):
        self.make()
        os.truncate(self.store, os.path.getsize(self.store) // 2 // 4096 * 4096)
        self.assertRefused("damaged", "restore a backup")

    def test_a_damaged_page_that_is_needed_at_the_start(self):
        self.make()
        self.damage(self.page_of("SELECT rootpage FROM sqlite_master WHERE name = 'message_count'"))
        before = self.digest()
        for command in self.commands()[:2]:
            result = patrol(*command, timeout=20)
            self.assertEqual(result.returncode, 5, result.stderr)
            self.assertIn(self.store, result.stderr)
            self.assertIn("damaged", result.stderr)
        self.assertEqual(self.digest(), before)

    def test_a_damaged_page_in_the_middle_is_found_by_doctor_and_by_who_reads_it(self):
        self.make()
        root = self.page_of("SELECT rootpage FROM sqlite_master WHERE name = 'noise_raw'")
        size = query(self.store, "PRAGMA page_size")[0][0]
        with open(self.store, "rb") as file:
            file.seek((root - 1) * size)
            head = file.read(size)
        self.assertEqual(head[0], 5, "the table has more than one page")
        cell = int.from_bytes(head[12:14], "big")
        self.damage(int.from_bytes(head[cell:cell + 4], "big"))
        result = patrol("doctor", "--store", self.store)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertRegex(result.stdout, "(?i)damaged|malformed")
        result = patrol("sql", "--store", self.store, "SELECT sum(laeq) FROM noise")
        self.assertEqual(result.returncode, 5, result.stderr)
        self.assertIn("damaged", result.stderr)
        self.assertGreaterEqual(patrol("replay", self.recording, "--into", self.store).returncode, 0, "ended by a signal")


class StubBroker(threading.Thread):
    """Accepts, and then `close`s at once, keeps `silent`, `refuse`s by CONNACK 5, or `deny`s the subscription."""

    def __init__(self, port, manner):
        super().__init__(daemon=True)
        self.manner, self.open = manner, []
        self.listener = socket.create_server(("127.0.0.1", port))

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            if self.manner == "close":
                return client.close()
            while data := client.recv(4096):
                if data[0] == 0x10 and self.manner != "silent":
                    client.sendall(b"\x20\2\0" + (b"\5" if self.manner == "refuse" else b"\0"))
                elif data[0] == 0x82:
                    client.sendall(b"\x90\3" + data[2:4] + b"\x80")
        except OSError:
            pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for client in self.open:
            client.close()


class Broker(Live):
    starts_patrol = False

    def fault(self, manner, words):
        self.broker.kill()
        self.broker.wait()
        stub = None
        if manner:
            stub = StubBroker(self.port, manner)
            stub.start()
        self.patrol = self.start([PATROL, "run", "--config", self.config], self.errors)
        self.assertTrue(until(lambda: words in self.said(), 20), self.said())
        self.assertTrue(until(lambda: self.ready() == 503), self.said())
        self.assertIsNone(self.patrol.poll(), "gave up though the broker may get well")
        if stub:
            stub.stop()
        self.broker = self.mosquitto(self.port)
        self.assertTrue(until(lambda: self.ready() == 200, 30), self.said())
        self.publisher().publish(noise(i) for i in range(100))
        self.assertAllStored(100)

    def test_nobody_listens(self):
        self.fault(None, "cannot be reached")

    def test_it_closes_at_once(self):
        self.fault("close", "is gone")

    def test_it_never_answers(self):
        self.fault("silent", "does not answer")

    def test_it_refuses_the_connection(self):
        self.fault("refuse", "refused the connection")

    def test_it_refuses_the_subscription(self):
        self.fault("deny", "refused the subscription")

    def test_the_port_of_http_is_taken(self):
        with socket.create_server(("127.0.0.1", self.http)):
            result = patrol("run", "--config", self.config, timeout=20)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn(f"{self.http}: the port is taken", result.stderr)


class Endings(Live):
    def ends_in_a_flood(self, number):
        stream = socket.create_connection(("127.0.0.1", self.http), 5)
        self.addCleanup(stream.close)
        stream.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"200", stream.recv(4096))
        flood = Flood(self.publisher(), lambda at: [noise(at + i) for i in range(1000)], 60_000)
        flood.start()
        self.assertTrue(until(lambda: self.stored() > 3000))
        self.patrol.send_signal(number)
        self.assertEqual(self.patrol.wait(10), 0, self.said())
        sent = flood.stop()
        self.assertBalanced(self.store)
        self.run_patrol()
        self.assertAllStored(sent)

    def test_terminated_in_a_flood(self):
        self.ends_in_a_flood(signal.SIGTERM)

    def test_interrupted_in_a_flood(self):
        self.ends_in_a_flood(signal.SIGINT)

    def test_ten_thousand_devices_are_ready_soon_after_a_kill(self):
        self.publisher().publish(noise(i, f"m{i}") for i in range(10_000))
        self.assertAllStored(10_000)
        self.kill_patrol()
        seconds = self.run_patrol(30)
        print(f"ready {seconds:.2f} s after a kill with 10,000 devices")
        self.assertLess(seconds, 30)
        self.assertAllStored(10_000)

    def test_an_idle_patrol_is_idle(self):
        before = cpu_seconds(self.patrol.pid)
        time.sleep(5)
        share = (cpu_seconds(self.patrol.pid) - before) / 5
        print(f"idle: {100 * share:.1f} % of a core")
        self.assertLess(share, 0.05)

    def test_readers_that_leave_early(self):
        self.publisher().publish(noise(i) for i in range(2000))
        self.assertAllStored(2000)
        for command in [f"query readings --device m1 --store '{self.store}'", f"tail -n 5 --since 1h --no-follow --store '{self.store}'"]:
            result = subprocess.run(f"'{PATROL}' {command} | head -1", shell=True, capture_output=True, text=True, timeout=20)
            self.assertEqual((result.returncode, result.stderr), (0, ""), command)


class Identities(Folder):
    def test_a_million_ids_of_one_gateway_cost_the_other_nothing(self):
        source, store = self.path("flood.txt"), self.path("flood.db")
        now = int(time.time() * 1000)
        with open(source, "w") as out:
            for i in range(1_000_000):
                out.write(" ".join(noise(i, f"d{i}", "flood", now)) + "\n")
                if i % 1000 == 0:
                    out.write(" ".join(noise(i // 1000, "good", "other", now)) + "\n")
        process = subprocess.Popen([PATROL, "replay", source, "--into", store, "--quiet"], stdout=subprocess.DEVNULL)
        highest = 0  # of wait4 it would be that of this process too, which a child begins with
        while process.poll() is None:
            highest = max(highest, highest_kilobytes(process.pid))
            time.sleep(0.02)
        self.assertEqual(process.returncode, 0)
        print(f"a million ids: {highest // 1024} MB at most")
        self.assertLess(highest, 256 * 1024)
        self.assertEqual(query(store, "SELECT count(*), count(DISTINCT seq) FROM noise WHERE device = 'good'"), [(1000, 1000)])
        self.assertEqual(query(store, "SELECT reason, count(*) FROM reject GROUP BY reason"), [("limit", 980_000)])
        self.assertBalanced(store)


if __name__ == "__main__":
    unittest.main()
