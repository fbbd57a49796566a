"""What the scenarios share: the program, a real mosquitto, a publisher that knows what was acknowledged."""
import errno
import json
import os
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATROL = os.environ.get("PATROL", ROOT + "/.build/release/patrol")
DATA = os.environ.get("PATROL_DATA", ROOT + "/../shared/data")
CI = os.environ.get("CI") == "true"


def patrol(*arguments, timeout=120, **options):
    return subprocess.run([PATROL, *arguments], capture_output=True, text=True, timeout=timeout, **options)


def query(store, sql, *arguments):
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)
    try:
        return connection.execute(sql, arguments).fetchall()
    finally:
        connection.close()


def until(condition, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def recording(name):
    path = os.path.join(DATA, name)
    if os.path.exists(path):
        return path
    if CI:
        raise AssertionError(f"the recording {name} is missing")
    raise unittest.SkipTest(f"skipped: the recording {name} is not here")


def highest_kilobytes(pid):
    """The most memory that a running process has had resident; 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), 0)
    except OSError:
        return 0


def cpu_seconds(pid):
    """Seconds of CPU the process has used, all threads."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Publisher:
    """The smallest MQTT 3.1.1 publisher at QoS 1: `publish` returns when the broker has acknowledged everything, so
    what was published before is known to be in the broker's care."""

    WINDOW = 10_000

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        name = f"publisher-{id(self)}-{os.getpid()}".encode()
        body = b"\0\4MQTT\4\2\0\0" + len(name).to_bytes(2, "big") + name
        self.socket.sendall(b"\x10" + bytes([len(body)]) + body)
        answer = self.socket.recv(4)
        if answer != b"\x20\2\0\0":
            raise AssertionError(f"the broker refused the publisher: {answer!r}")
        self.packet = 0
        self.half = b""

    @staticmethod
    def frame(topic, payload, packet):
        topic = topic.encode()
        body = len(topic).to_bytes(2, "big") + topic + packet.to_bytes(2, "big") + payload
        length, left = b"", len(body)
        while True:
            length += bytes([left % 128 | (128 if left >= 128 else 0)])
            left //= 128
            if left == 0:
                return b"\x32" + length + body

    def publish(self, messages, pause=0.0):
        """Publishes (topic, payload) pairs in order; with `pause` s after each, so that each is a batch of its own."""
        waiting, buffer = 0, []
        for topic, payload in messages:
            self.packet = self.packet % 60_000 + 1
            buffer.append(self.frame(topic, payload.encode() if isinstance(payload, str) else payload, self.packet))
            waiting += 1
            if pause or len(buffer) == 500:
                self.socket.sendall(b"".join(buffer))
                buffer = []
            while waiting >= self.WINDOW:
                waiting -= self.acknowledged()
            if pause:
                time.sleep(pause)
        self.socket.sendall(b"".join(buffer))
        while waiting:
            waiting -= self.acknowledged()

    def acknowledged(self):
        """How many PUBACKs came with the next bytes."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the broker closed the connection")
        self.half += data
        count = len(self.half) // 4
        whole, self.half = self.half[:count * 4], self.half[count * 4:]
        if any(byte != 0x40 for byte in whole[::4]):
            raise AssertionError(f"not a PUBACK: {whole[:8]!r}")
        return count

    def close(self):
        self.socket.close()


class Folder(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="patrol-test-")
        self.addCleanup(holder.cleanup)
        self.folder = holder.name

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w") as file:
                file.write(text)
        return path

    def start(self, command, errors=None, **options):
        """Starts a process that ends with the test; its standard error is appended to the file `errors`."""
        with open(errors or os.devnull, "a") as stderr:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr, **options)

        def end():
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

        self.addCleanup(end)
        return process

    def mosquitto(self, port, more="allow_anonymous true\n"):
        program = next(p for p in ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"] if os.path.exists(p))
        conf = self.path(f"m-{port}.conf", f"listener {port} 127.0.0.1\nmax_inflight_messages 20000\n"
                         f"max_queued_messages 0\n{more}" + ("user root\n" if os.geteuid() == 0 else ""))
        process = self.start([program, "-c", conf])
        self.assertTrue(until(lambda: self.listens(port)), "mosquitto did not start")
        return process

    @staticmethod
    def listens(port):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

    @staticmethod
    def get(path, port):
        """Status and body of a GET on loopback; 0 where nobody answers."""
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as s:
                s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                data = b""
                while chunk := s.recv(65536):
                    data += chunk
            head, _, body = data.partition(b"\r\n\r\n")
            return int(head.split()[1]), body.decode()
        except (OSError, IndexError):
            return 0, ""

    def doctor(self, store):
        return json.loads(patrol("doctor", "--store", store, "--format", "json").stdout)

    def assertBalanced(self, store):
        result = self.doctor(store)
        self.assertTrue(result["balanced"], result)


def mount(*arguments):
    """Mounts or skips; as root in CI it must be possible."""
    result = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if result.returncode == 0:
        return
    if CI and os.geteuid() == 0:
        raise AssertionError(f"mount {' '.join(arguments)}: {result.stderr}")
    raise unittest.SkipTest(f"skipped: no file system can be mounted here ({result.stderr.strip()})")


def unmount(path):
    subprocess.run(["umount", "-l", path], check=False)


class Disk:
    """A small file system of its own in the folder of a test, which `fill` fills."""

    def __init__(self, test, megabytes):
        self.path = test.path("disk")
        os.mkdir(self.path)
        mount("-t", "tmpfs", "-o", f"size={megabytes}m", "patrol-test", self.path)
        test.addCleanup(unmount, self.path)
        self.ballast = os.path.join(self.path, "ballast")

    def fill(self, leaving=0):
        """To the last byte, or so that some are left."""
        with open(self.ballast, "ab", buffering=0) as file:
            for size in [65536, 4096, 1]:
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
            file.truncate(file.tell() - leaving)

    def make_room(self):
        os.unlink(self.ballast)


class Live(Folder):
    """A mosquitto on loopback and `patrol run` on it."""

    rules = """
rules:
  - id: loud
    on: noise
    condition: { metric: laeq, above: 70, for: 3s, clear_below: 68 }
    severity: warning
    task: { kind: noise-check }
"""
    starts_patrol = True

    def setUp(self):
        super().setUp()
        self.port, self.http = free_port(), free_port()
        self.broker = self.mosquitto(self.port)
        self.path("rules.yaml", self.rules)
        self.store = self.store_path()
        self.config = self.path("patrol.yaml", f"""
broker: {{ url: "mqtt://127.0.0.1:{self.port}", client_id: test }}
store: {{ path: "{self.store}" }}
http: {{ listen: "127.0.0.1:{self.http}" }}
rules: [rules.yaml]
{self.more_settings()}
""")
        self.errors = self.path("stderr.txt", "")
        if self.starts_patrol:
            self.run_patrol()

    def store_path(self):
        return self.path("patrol.db")

    def more_settings(self):
        return ""

    def run_patrol(self, seconds=30):
        """Starts `patrol run` and waits until it is ready; the time it took, in seconds."""
        began = time.monotonic()
        self.patrol = self.start([PATROL, "run", "--config", self.config], self.errors)
        self.assertTrue(until(lambda: self.ready() == 200 or self.patrol.poll() is not None, seconds), "not ready")
        self.assertIsNone(self.patrol.poll(), self.said())
        return time.monotonic() - began

    def stop_patrol(self, number=signal.SIGTERM):
        self.patrol.send_signal(number)
        self.assertEqual(self.patrol.wait(15), 0, self.said())

    def kill_patrol(self):
        self.patrol.kill()
        self.patrol.wait()

    def said(self):
        with open(self.errors) as file:
            return file.read()

    def get(self, path, port=None):
        return Folder.get(path, port or self.http)

    def ready(self):
        return self.get("/readyz")[0]

    def metric(self, name):
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(f"patrol_{name} "):
                return float(line.split()[1])
        return None

    def publish(self, device, payload, kind="noise", gateway="gw", qos=1):
        subprocess.run(["mosquitto_pub", "-p", str(self.port), "-q", str(qos), "-t",
                        f"patrol/v1/in/{gateway}/{kind}/{device}", "-m", payload], check=True, timeout=10)

    def publisher(self):
        result = Publisher(self.port)
        self.addCleanup(result.close)
        return result

    def stored(self):
        return query(self.store, "SELECT count(*) FROM noise")[0][0]

    def assertAllStored(self, count, device=None):
        """Readings with `seq` 0..<count are there, each exactly once, and the accounting balances."""
        where = "WHERE device = ?" if device else ""
        arguments = [device] if device else []
        self.assertTrue(until(lambda: query(self.store, f"SELECT count(*) FROM noise {where}", *arguments)[0][0] >= count, 30),
                        f"{self.stored()} of {count}; {self.said()[-2000:]}")
        self.assertEqual(query(self.store, f"SELECT count(*), count(DISTINCT seq), min(seq), max(seq) FROM noise {where}",
                               *arguments), [(count, count, 0, count - 1)])
        self.assertBalanced(self.store)


class Flood(threading.Thread):
    """Publishes messages until told to stop, in chunks; `sent` is what the broker has acknowledged."""

    def __init__(self, publisher, chunk, limit=1_000_000):
        super().__init__(daemon=True)
        self.publisher, self.chunk, self.limit = publisher, chunk, limit
        self.sent, self.isStopping = 0, False

    def run(self):
        while not self.isStopping and self.sent < self.limit:
            messages = self.chunk(self.sent)
            self.publisher.publish(messages)
            self.sent += len(messages)

    def stop(self):
        self.isStopping = True
        self.join(30)
        return self.sent
