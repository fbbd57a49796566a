"""Processes that are measured: started, waited for, their resources read."""
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.error
import urllib.request

from toolchain import BenchError, mosquitto_path

READY_SECONDS = 30
STALL_SECONDS = 20
STOP_SECONDS = 120


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    """A child whose CPU time is known when it has ended."""

    def __init__(self, command, environment=None, log=None):
        self.command = [str(part) for part in command]
        self.log = open(log, "w+") if log else None
        self.started = time.monotonic()
        self.child = subprocess.Popen(
            self.command, stdout=subprocess.PIPE if not log else self.log, stderr=self.log, text=True,
            env={**os.environ, **(environment or {})})
        self.cpu_seconds = self.wall_seconds = None

    def line(self):
        """The next line of its output."""
        text = self.child.stdout.readline()
        if not text:
            raise BenchError(f"{self.command[0]} ended without an answer")
        return text

    def json_line(self):
        return json.loads(self.line())

    def is_running(self):
        """Whether it still runs; does not reap it."""
        ended = os.waitid(os.P_PID, self.child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended is None

    def wait(self, limit_seconds=STOP_SECONDS, check=True):
        if self.child.returncode is not None:
            return self
        timer = threading.Timer(limit_seconds, self.child.kill)
        timer.start()
        _, status, usage = os.wait4(self.child.pid, 0)
        self.wall_seconds = time.monotonic() - self.started
        timer.cancel()
        self.child.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.highest_megabytes = usage.ru_maxrss / 1024
        if check and self.child.returncode:
            raise BenchError(f"{' '.join(self.command)} ended with {self.child.returncode}\n{self.tail()}")
        return self

    def stop(self, check=False):
        if self.child.returncode is None:
            self.child.send_signal(signal.SIGTERM)
        return self.wait(check=check)

    def tail(self):
        if not self.log:
            return ""
        self.log.flush()
        self.log.seek(0)
        return "".join(self.log.readlines()[-10:])

    def memory_megabytes(self):
        """Resident memory now and at its highest, and the anonymous part of it now: without pages of files, as programs are."""
        with open(f"/proc/{self.child.pid}/status") as status:
            fields = dict(line.split(":", 1) for line in status)
        return tuple(int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM", "RssAnon"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Mosquitto(Process):
    """A broker of its own on loopback, without limits and without persistence."""

    def __init__(self, folder):
        self.port = free_port()
        path = folder / f"mosquitto-{self.port}.conf"
        path.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
            "max_inflight_messages 0\nmax_queued_messages 0\nset_tcp_nodelay true\nlog_dest none\n")
        super().__init__([mosquitto_path(), "-c", path], log=folder / f"mosquitto-{self.port}.log")
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise BenchError("mosquitto does not answer")


class FloorSubscriber(Process):
    """The C program on libmosquitto."""

    def __init__(self, bench, port, qos, store, rules=None, environment=None):
        super().__init__([bench.tools / "floor_subscribe", "127.0.0.1", port, 0, qos, store], environment)
        self.store = store

    def wait_ready(self):
        self.line()


class PatrolSubscriber(Process):
    """`patrol run` with settings of its own."""

    def __init__(self, bench, port, qos, store, rules=None, environment=None, settings=""):
        folder = store.parent / f"{store.stem}-settings"
        folder.mkdir()
        self.http = f"127.0.0.1:{free_port()}"
        settings += (
            f"broker: {{ url: mqtt://127.0.0.1:{port}, client_id: patrol-bench }}\n"
            f"store: {{ path: {store} }}\nhttp: {{ listen: {self.http} }}\n")
        if rules:
            (folder / "rules.yaml").write_text(rules)
            settings += "rules: [rules.yaml]\n"
        (folder / "patrol.yaml").write_text(settings)
        super().__init__(
            [bench.patrol, "run", "--config", folder / "patrol.yaml"], environment, log=folder / "patrol.log")
        self.store = store

    def metric(self, name):
        with urllib.request.urlopen(f"http://{self.http}/metrics", timeout=5) as answer:
            return next(float(line.split()[1]) for line in answer.read().decode().splitlines() if line.startswith(f"patrol_{name} "))

    def wait_ready(self):
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end and self.is_running():
            try:
                with urllib.request.urlopen(f"http://{self.http}/readyz", timeout=1) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.02)
        raise BenchError(f"patrol run does not become ready\n{self.tail()}")


COUNT = "SELECT stored FROM message_count WHERE kind = 'noise'"


def open_reader(store):
    return sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=5, isolation_level=None)


def stored_count(store):
    """Readings stored, as the store's accounting says, which must agree with its rows."""
    with contextlib.closing(open_reader(store)) as db:
        (count,) = db.execute(COUNT).fetchone()
        (rows,) = db.execute("SELECT count(*) FROM noise").fetchone()
    if rows != count:
        raise BenchError(f"{rows} readings are in {store}, its accounting says {count}")
    return count


def wait_stored(store, wanted, process, interval_seconds=0.001):
    """Waits until `wanted` readings are visible; returns the moment (monotonic seconds) it was seen."""
    db, last, changed = None, -1, time.monotonic()
    try:
        while True:
            now = time.monotonic()
            try:
                db = db or open_reader(store)
                row = db.execute(COUNT).fetchone()
                count = row[0] if row else 0
            except sqlite3.OperationalError:
                count = 0
            if count >= wanted:
                return time.monotonic()
            if count != last:
                last, changed = count, now
            elif now - changed > STALL_SECONDS or not process.is_running():
                raise BenchError(f"only {count} of {wanted} readings were stored\n{process.tail()}")
            time.sleep(interval_seconds)
    finally:
        if db:
            db.close()
