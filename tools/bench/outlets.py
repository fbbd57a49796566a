"""The jobs of the outlets: how soon an event is there, how fast a consumer that is behind catches up, what readers cost.

A reading over the level fires an alert and makes a task, one below resolves it: three events for two readings. Events for
the drains are written into a store at rest."""
import asyncio
import bisect
import json
import re
import resource
import selectors
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request

from processes import Mosquitto, PatrolSubscriber, Process, free_port, wait_stored
from toolchain import BenchError
from workloads import RULES

EVENT = json.dumps({
    "source": "/patrol/bench", "type": "patrol.alert.firing", "subject": "a0123456789abcdef", "time": "2026-06-07T14:00:30.000Z",
    "datacontenttype": "application/json", "dataschema": "urn:patrol:schema:alert:1", "area": "330110012000",
    "severity": "warning", "rule": "noise-over-70", "data": {
        "id": "a0123456789abcdef", "rule": "noise-over-70", "title": {"en": "Noise over 70 dB", "zh": "噪声超过70分贝"},
        "kind": "noise", "device": "nm-012", "area": "330110012000", "severity": "warning", "state": "firing",
        "started_at": 1780840800000, "fired_at": 1780840830000, "value": 74.2, "unit": "dB(A)"}}, ensure_ascii=False,
    separators=(",", ":"))


class Patrol(PatrolSubscriber):
    """`patrol run` with an optional webhook; may be started on a store again."""

    def __init__(self, bench, port, store, hook=None):
        folder = store.parent / f"{store.stem}-{free_port()}"
        folder.mkdir()
        self.http = f"127.0.0.1:{free_port()}"
        (folder / "rules.yaml").write_text(RULES)
        settings = (f"broker: {{ url: mqtt://127.0.0.1:{port}, client_id: patrol-bench }}\nstore: {{ path: {store} }}\n"
                    f"http: {{ listen: {self.http} }}\nrules: [rules.yaml]\n")
        if hook:
            settings += (f"outlets:\n  webhooks:\n    - {{ name: bench, url: \"http://127.0.0.1:{hook}/\", private_addresses: allow, "
                         "max_in_flight: 64, begin: oldest }\n")
        (folder / "patrol.yaml").write_text(settings)
        Process.__init__(self, [bench.patrol, "run", "--config", folder / "patrol.yaml"], log=folder / "patrol.log")
        self.store = store


class Hook(asyncio.Protocol):
    """A receiver that answers 204 and notes when each event came."""

    came = None
    ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
    HEAD = re.compile(rb"webhook-id: *([^\r]+)\r\n", re.I)
    LENGTH = re.compile(rb"content-length: *(\d+)\r\n", re.I)

    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""

    def data_received(self, data):
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end + 4]
            whole = end + 4 + int(self.LENGTH.search(head)[1])
            if len(self.buffer) < whole:
                return
            self.came[self.HEAD.search(head)[1].decode()] = time.time()
            self.buffer = self.buffer[whole:]
            self.transport.write(self.ANSWER)


class Receiver(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.came, self.port = {}, free_port()
        self.start()

    def run(self):
        async def serve():
            server = await asyncio.get_running_loop().create_server(
                lambda: type("Hook", (Hook,), {"came": self.came})(), "127.0.0.1", self.port)
            await server.serve_forever()
        asyncio.run(serve())


def stream(http, after=""):
    """A connection to the stream; the answer's head is read."""
    host, port = http.split(":")
    s = socket.create_connection((host, int(port)), 30)
    s.sendall(f"GET /api/v1/stream{after} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return s


def percentiles(samples):
    ordered = sorted(samples)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], "count": len(ordered)}


def flood(port, rate, seconds):
    """Quiet readings of a thousand meters at a steady rate, QoS 0, in a burst a millisecond."""
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05flood")
    s.recv(4)
    base, began, number, total = int(time.time() * 1000) - 60_000, time.monotonic(), 0, int(rate * seconds)
    heads = [b"\x00\x1apatrol/v1/in/gw/noise/f%03d" % meter for meter in range(1000)]
    while number < total:
        time.sleep(0.001)
        burst = []
        for number in range(number, min(total, int((time.monotonic() - began) * rate))):
            body = heads[number % 1000] + b'{"ts":%d,"laeq":50}' % (base + number // 1000 * 10)
            burst.append(b"\x30" + bytes([len(body)]) + body)
        if burst:
            number += 1
            s.sendall(b"".join(burst))
    return total, time.monotonic() - began, s


def ingest(bench, readers, rate, seconds):
    """Seconds from the first of many readings to the last one stored: without consumers; and with 100 events/s, a crowd of
    readers and receivers that never answer. The load is the same; what counts is whether ingest keeps up."""
    def once(crowded):
        with bench.store() as store, Mosquitto(store.parent) as broker:
            deaf = socket.create_server(("127.0.0.1", 0), backlog=64)
            with Patrol(bench, broker.port, store, deaf.getsockname()[1] if crowded else None) as patrol:
                patrol.wait_ready()
                connections = [stream(patrol.http) for _ in range(readers if crowded else 0)]
                selector = selectors.DefaultSelector()
                for connection in connections:
                    selector.register(connection, selectors.EVENT_READ)
                stopping = threading.Event()

                def read():
                    while not stopping.is_set():
                        for key, _ in selector.select(0.2) if connections else ():
                            key.fileobj.recv(1 << 16)
                reader = threading.Thread(target=read, daemon=True)
                if crowded:
                    reader.start()
                # Both runs have the same alerts: only who listens differs.
                alerts = threading.Thread(target=publish, args=(broker.port, 50, 66, seconds), daemon=True)
                alerts.start()
                began = time.monotonic()
                total, _, _ = flood(broker.port, rate, seconds)
                alerts.join()
                wait_stored(store, total + int(66 * seconds), patrol, interval_seconds=0.02)
                taken = time.monotonic() - began
                stopping.set()
                return taken
    return once(False), once(True)


def publish(port, pairs, rate, seconds):
    """`pairs` meters in turn loud and quiet, `rate` readings a second; how many, and the connection."""
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench")
    s.recv(4)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    base, began, number = int(time.time() * 1000) - 60_000, time.monotonic(), 0
    total = int(rate * seconds)
    threading.Thread(target=lambda: drain(s), daemon=True).start()
    while number < total:
        time.sleep(max(0, began + number / rate - time.monotonic()))
        meter, turn = number % pairs, number // pairs
        topic = f"patrol/v1/in/gw/noise/m{meter}".encode()
        payload = b'{"ts":%d,"laeq":%d}' % (base + turn * 10, 80 if turn % 2 == 0 else 50)
        body = len(topic).to_bytes(2, "big") + topic + (number % 65535 + 1).to_bytes(2, "big") + payload
        s.sendall(b"\x32" + bytes([len(body)]) + body)
        number += 1
    return total, s


def drain(s):
    try:
        while s.recv(65536):
            pass
    except OSError:
        pass


def written(store):
    """Id → when the event was written, in seconds."""
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
        epoch = db.execute("SELECT epoch FROM stream_epoch ORDER BY first_seq DESC").fetchone()[0]
        return {f"{epoch}-{seq}": at / 1000 for seq, at in db.execute("SELECT seq, at FROM outbox")}


class Follower(threading.Thread):
    """Notes when each event came over a way of its own."""

    def __init__(self, body):
        super().__init__(daemon=True)
        self.came, self.body, self.stopping = {}, body, False
        self.start()

    def run(self):
        try:
            self.body(self)
        except OSError:
            pass


MARK = b'\ndata: {"specversion"'
ID = re.compile(rb'"id":"([0-9a-f]{8}-\d+)"')


# Notes when each commit became visible: the change counter of the WAL index (SQLite, "WAL-mode File Format" §2.1) is looked
# at every tenth of a millisecond by a process of its own.
WITNESS = """
import mmap, sys, time
with open(sys.argv[1], "rb") as file, open(sys.argv[2], "w", buffering=1) as out:
    index, last = mmap.mmap(file.fileno(), 48, access=mmap.ACCESS_READ), None
    while True:
        if index[8:12] != last:
            last = index[8:12]
            print(time.time(), file=out)
        time.sleep(0.0001)
"""


def latency(bench, seconds):
    """Milliseconds from the commit of an event to its arrival, by outlet; and of the commit itself, from the event's writing."""
    # The receivers are threads here: with the usual 5 ms one would wait for another longer than for Patrol.
    sys.setswitchinterval(0.0001)
    with bench.store() as store, Mosquitto(store.parent) as broker:
        receiver = Receiver()
        with Patrol(bench, broker.port, store, receiver.port) as patrol:
            patrol.wait_ready()

            def sse(me):
                s = stream(patrol.http)
                while data := s.recv(1 << 20):
                    now = time.time()
                    for name in ID.findall(data):
                        me.came[name.decode()] = now

            def poll(me):
                after = "0"
                while True:
                    with urllib.request.urlopen(f"http://{patrol.http}/api/v1/events?after={after}&limit=1000&wait=30") as answer:
                        body = answer.read()
                    now, page = time.time(), json.loads(body)
                    after = page["next"]
                    for event in page["items"]:
                        me.came[event["id"]] = now

            listener = subprocess.Popen(["mosquitto_sub", "-p", str(broker.port), "-q", "1", "-t", "patrol/v1/out/#"], stdout=subprocess.PIPE)

            def mqtt(me):
                for line in listener.stdout:
                    me.came[ID.search(line)[1].decode()] = time.time()

            seen = store.parent / "commits.txt"
            witness = subprocess.Popen([sys.executable, "-c", WITNESS, f"{store}-shm", seen])
            followers = {"sse": Follower(sse), "poll": Follower(poll), "mqtt": Follower(mqtt)}
            time.sleep(1)
            total, _ = publish(broker.port, 50, 66, seconds)
            wait_stored(store, total, patrol, interval_seconds=0.05)
            time.sleep(1)
            times = written(store)
            for child in (listener, witness):
                child.terminate()
                child.wait()
            commits = [float(line) for line in seen.read_text().splitlines()]
            # The first commit behind its writing, which is rounded to a millisecond.
            committed = {i: commits[bisect.bisect_left(commits, at - 0.0005)] for i, at in times.items()}
            ways = {name: follower.came for name, follower in followers.items()} | {"webhook": receiver.came}
            result = {}
            for name, came in ways.items():
                if len(came) < len(times):
                    raise BenchError(f"{name}: {len(came)} of {len(times)} events came")
                result[name] = percentiles([max(0, came[i] - at) * 1000 for i, at in committed.items()])
            result["commit"] = percentiles([max(0, committed[i] - at) * 1000 for i, at in times.items()])
            return result


def filled(bench, store, port, events):
    """A store with so many events, made by Patrol and filled at rest."""
    with Patrol(bench, port, store) as patrol:
        patrol.wait_ready()
    with sqlite3.connect(store) as db:
        db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO outbox "
                   "(topic, is_end, payload, at) SELECT 'patrol/v1/out/alerts/330110012000/warning', 0, ?, "
                   "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) FROM n", (events, EVENT))
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def drains(bench, events):
    """Events a second that a consumer far behind takes, by outlet; seconds of the whole catch-up."""
    result = {}
    with bench.store() as store, Mosquitto(store.parent) as broker:
        filled(bench, store, broker.port, events)
        with sqlite3.connect(store) as db:
            db.execute("INSERT OR REPLACE INTO outlet (name, delivered) VALUES ('mqtt', ?)", (events,))
        with Patrol(bench, broker.port, store) as patrol:
            patrol.wait_ready()
            began, after, count = time.monotonic(), "0", 0
            host, port = patrol.http.split(":")
            s = socket.create_connection((host, int(port)))
            file = s.makefile("rb", buffering=1 << 20)
            while count < events:
                s.sendall(f"GET /api/v1/events?after={after}&limit=5000 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                length = 0
                while (line := file.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                body = file.read(length)
                count += body.count(b'{"specversion"')
                after = re.search(rb'"next":"([^"]+)"', body[-300:])[1].decode()
            result["pull"] = events / (time.monotonic() - began)
            s.close()
            began, count = time.monotonic(), 0
            s = stream(patrol.http, "?after=0")
            rest = b""
            while count < events:
                # A mark that is cut in two is counted with the next bytes.
                data = rest + s.recv(1 << 20)
                count += data.count(MARK)
                rest = data[-len(MARK) + 1:]
            result["sse"] = events / (time.monotonic() - began)
            s.close()
    return result


def webhook_drain(bench, events):
    with bench.store() as store, Mosquitto(store.parent) as broker:
        filled(bench, store, broker.port, events)
        # Each event of a subject of its own, or their order would make them wait for each other.
        with sqlite3.connect(store) as db:
            db.execute("UPDATE outbox SET payload = replace(payload, '\"subject\":\"a0123456789abcdef\"', '\"subject\":\"a' || seq || '\"')")
            db.execute("INSERT OR REPLACE INTO outlet (name, delivered) VALUES ('mqtt', ?)", (events,))
        receiver = Receiver()
        with Patrol(bench, broker.port, store, receiver.port) as patrol:
            patrol.wait_ready()
            end = time.monotonic() + 120
            while len(receiver.came) < events:
                if time.monotonic() > end:
                    raise BenchError(f"{len(receiver.came)} of {events} webhooks came\n{patrol.tail()}")
                time.sleep(0.02)
            first, last = min(receiver.came.values()), max(receiver.came.values())
            return events / (last - first)


def crowd(bench, readers, seconds):
    """A thousand readers of all events at 100 events/s: ms to arrival, and memory of a reader that is idle."""
    with bench.store() as store, Mosquitto(store.parent) as broker:
        with Patrol(bench, broker.port, store) as patrol:
            patrol.wait_ready()
            time.sleep(1)
            before = patrol.memory_megabytes()[0]
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))

            async def follow():
                host, port = patrol.http.split(":")
                connections = []
                for _ in range(readers):
                    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
                    writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
                    connections.append((reader, writer))
                for reader, _ in connections:
                    await reader.readuntil(b"event: hello")
                await asyncio.sleep(1)
                memory = (patrol.memory_megabytes()[0] - before) * 1024 / readers
                samples, counts = [], [0] * readers

                async def read(number, reader):
                    while data := await reader.read(1 << 18):
                        now = time.time()
                        names = ID.findall(data)
                        counts[number] += len(names)
                        if number % 20 == 0:
                            samples.extend((name.decode(), now) for name in names)

                tasks = [asyncio.create_task(read(n, reader)) for n, (reader, _) in enumerate(connections)]
                publisher = asyncio.to_thread(publish, broker.port, 50, 66, seconds)
                total, _ = await publisher
                await asyncio.sleep(2)
                for task in tasks:
                    task.cancel()
                return memory, samples, counts, total

            memory, samples, counts, total = asyncio.run(follow())
            times = written(store)
            if set(counts) != {len(times)}:
                raise BenchError(f"{min(counts)} to {max(counts)} of {len(times)} events came to a reader")
            return percentiles([(now - times[name]) * 1000 for name, now in samples]), memory
