"""The jobs of the outlets: how soon an event is there, how fast a consumer that is behind catches up, what readers cost.

A reading over the level fires an alert and makes a task, one below resolves it: three events for two readings. Events for
the drains are written into a store at rest."""
import bisect
import contextlib
import json
import re
import resource
import socket
import sqlite3
import subprocess
import sys
import threading
import time

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
                consumers = contextlib.nullcontext()
                if crowded:
                    consumers = Consumers(bench, patrol, readers=readers)
                    consumers.wait_ready()
                with consumers:
                    # Both runs have the same alerts: only who listens differs.
                    alerts = threading.Thread(target=publish, args=(broker.port, 50, 66, seconds), daemon=True)
                    alerts.start()
                    began = time.monotonic()
                    total, _, _ = flood(broker.port, rate, seconds)
                    alerts.join()
                    wait_stored(store, total + int(66 * seconds), patrol, interval_seconds=0.02)
                    return time.monotonic() - began
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


# Once in each event of a stream of server-sent events.
MARK = b'\ndata: {"specversion"'


class Consumers(Process):
    """Consumers in one process that costs little: what reached them, and when commits became visible."""

    def __init__(self, bench, patrol, readers=0, pollers=0, mqtt=0, hook=0, watch=False):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))
        self.out = patrol.store.parent / "consumers.txt"
        index = f"{patrol.store}-shm" if watch else "-"
        super().__init__([bench.tools / "consumers", patrol.http.split(":")[1], readers, pollers, mqtt, hook, index, self.out])

    def wait_ready(self):
        if self.line().strip() != "ready":
            raise BenchError("the consumers are not ready")

    def end(self):
        """By way: (event id, seconds) in the order of arrival; seconds of the commits; events of each reader."""
        self.stop(check=True)
        ways, commits, readers = {}, [], []
        for words in map(str.split, self.out.read_text().splitlines()):
            if words[0] == "commit":
                commits.append(float(words[1]))
            elif words[0] == "reader":
                readers.append(int(words[1]))
            else:
                ways.setdefault(words[0], []).append((words[1], float(words[2])))
        return ways, commits, readers


def latency(bench, seconds):
    """Milliseconds from the commit of an event to its arrival, by outlet; and of the commit itself, from the event's writing."""
    with bench.store() as store, Mosquitto(store.parent) as broker:
        hook = free_port()
        with Patrol(bench, broker.port, store, hook) as patrol:
            patrol.wait_ready()
            with Consumers(bench, patrol, readers=1, pollers=1, mqtt=broker.port, hook=hook, watch=True) as consumers:
                consumers.wait_ready()
                time.sleep(1)
                total, _ = publish(broker.port, 50, 66, seconds)
                wait_stored(store, total, patrol, interval_seconds=0.05)
                time.sleep(1)
                times = written(store)
                ways, commits, _ = consumers.end()
            # The first commit behind its writing, which is rounded to a millisecond.
            committed = {i: commits[bisect.bisect_left(commits, at - 0.0005)] for i, at in times.items()}
            result = {}
            for name in ("sse", "poll", "mqtt", "webhook"):
                came = dict(reversed(ways.get(name, [])))
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
        hook = free_port()
        with Patrol(bench, broker.port, store, hook) as patrol:
            patrol.wait_ready()
            with Consumers(bench, patrol, hook=hook) as consumers:
                end = time.monotonic() + 120
                while delivered(store, "webhook:bench") < events:
                    if time.monotonic() > end:
                        raise BenchError(f"{delivered(store, 'webhook:bench')} of {events} webhooks came\n{patrol.tail()}")
                    time.sleep(0.05)
                came = [at for _, at in consumers.end()[0]["webhook"]]
            return events / (max(came) - min(came))


def delivered(store, outlet):
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
        row = db.execute("SELECT delivered FROM outlet WHERE name = ?", (outlet,)).fetchone()
        return row[0] if row else 0


def crowd(bench, readers, seconds):
    """A thousand readers of all events at 100 events/s: ms to arrival, and memory of a reader that is idle."""
    with bench.store() as store, Mosquitto(store.parent) as broker:
        with Patrol(bench, broker.port, store) as patrol:
            patrol.wait_ready()
            time.sleep(1)
            before = patrol.memory_megabytes()[0]
            with Consumers(bench, patrol, readers=readers) as consumers:
                consumers.wait_ready()
                time.sleep(1)
                memory = (patrol.memory_megabytes()[0] - before) * 1024 / readers
                publish(broker.port, 50, 66, seconds)
                time.sleep(2)
                times = written(store)
                ways, _, counts = consumers.end()
            if set(counts) != {len(times)}:
                raise BenchError(f"{min(counts)} to {max(counts)} of {len(times)} events came to a reader")
            return percentiles([(at - times[name]) * 1000 for name, at in ways["sse"]]), memory
