"""Rows on dispatching: a storm of alerts, how soon an alert is an assigned task, what it costs the main path."""
import json
import random
import re
import socket
import statistics
import subprocess
import threading
import time

from processes import FloorSubscriber, Mosquitto, PatrolSubscriber, Process, free_port
from toolchain import BenchError

METERS, UNITS, TOWNS = 1000, 1500, 12
RULES = """rules:
  - id: loud
    on: noise
    condition: { metric: laeq, above: 70, clear_below: 68 }
    severity: warning
"""


def place(chance, number):
    return 30.15 + number % TOWNS * 0.03 + chance.uniform(0, 0.03), 119.7 + chance.uniform(0, 0.4)


def fixes():
    """A camera's heartbeat with a place now of each unit: topic and payload."""
    chance, now = random.Random(8), int(time.time() * 1000)
    for number in range(UNITS):
        lat, lon = place(chance, number)
        yield f"patrol/v1/in/gw/bodycam/c{number}", b'{"ts":%d,"battery":80,"lat":%.6f,"lon":%.6f}' % (now, lat, lon)


class District(PatrolSubscriber):
    """`patrol run` with meters that have places; with units and tasks, or without."""

    def __init__(self, bench, port, store, dispatches=True, meters=METERS):
        chance = random.Random(7)
        folder = store.parent / f"{store.stem}-{free_port()}"
        folder.mkdir()

        rows = ["id,kind,gateway,area,lat,lon"]
        for number in range(meters):
            lat, lon = place(chance, number)
            rows.append(f"meter-{number:06},noise,gw-00,3301100{number % TOWNS + 10},{lat:.6f},{lon:.6f}")
        units = ["id,kind,device,areas"]
        for number in range(UNITS):
            rows.append(f"c{number},bodycam,gw,,,")
            units.append(f"u{number},foot,c{number},")
        (folder / "devices.csv").write_text("\n".join(rows) + "\n")
        (folder / "units.csv").write_text("\n".join(units) + "\n")
        (folder / "dispatch.yaml").write_text("units: { acknowledge_within: 1h }\n")
        (folder / "rules.yaml").write_text(RULES + ("    task: { kind: noise-check }\n" if dispatches else ""))
        self.http = f"127.0.0.1:{free_port()}"
        (folder / "patrol.yaml").write_text(
            f"broker: {{ url: mqtt://127.0.0.1:{port}, client_id: patrol-bench }}\nstore: {{ path: {store} }}\n"
            f"http: {{ listen: {self.http} }}\nrules: [rules.yaml]\ndevices: devices.csv\n"
            + ("units: units.csv\ndispatch: dispatch.yaml\n" if dispatches else ""))
        Process.__init__(self, [bench.patrol, "run", "--config", folder / "patrol.yaml"], log=folder / "patrol.log")
        self.store = store


def frame(topic, payload, packet):
    topic = topic.encode()
    body = len(topic).to_bytes(2, "big") + topic + (packet % 65_535 + 1).to_bytes(2, "big") + payload
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) % 128 | 128, len(body) // 128])
    return b"\x32" + length + body


class Publisher:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench")
        self.socket.recv(4)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.packet = 0
        threading.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        try:
            while self.socket.recv(65536):
                pass
        except OSError:
            pass

    def send(self, messages):
        frames = []
        for topic, payload in messages:
            self.packet += 1
            frames.append(frame(topic, payload, self.packet))
        self.socket.sendall(b"".join(frames))


class Assigned(threading.Thread):
    """Notes when the task of each device's alert was assigned."""

    TASK = re.compile(rb'"type":"patrol.task.assigned".*?"subject":"t([0-9a-f]{16})"')

    def __init__(self, port):
        super().__init__(daemon=True)
        self.listener = subprocess.Popen(["mosquitto_sub", "-p", str(port), "-q", "1", "-t", "patrol/v1/out/#"], stdout=subprocess.PIPE)
        self.device, self.came = {}, {}
        self.start()

    def run(self):
        for line in self.listener.stdout:
            now = time.monotonic()
            if found := self.TASK.search(line):
                self.came[found[1]] = now
            elif b"patrol.alert.firing" in line:
                event = json.loads(line)
                self.device[event["subject"][1:].encode()] = event["data"]["device"]

    def stop(self):
        self.listener.terminate()
        self.listener.wait()


def ready(bench, store, meters=METERS):
    """A broker, Patrol with fresh fixes of all its units, a listener."""
    broker = Mosquitto(store.parent)
    patrol = District(bench, broker.port, store, meters=meters)
    patrol.wait_ready()
    publisher, assigned = Publisher(broker.port), Assigned(broker.port)
    publisher.send(fixes())
    time.sleep(2)
    return broker, patrol, publisher, assigned


def storm(bench):
    """Seconds from the first of 1,000 loud readings, sent within a second, to the last task assigned and published."""
    with bench.store() as store:
        broker, patrol, publisher, assigned = ready(bench, store)
        with broker, patrol:
            began, base = time.monotonic(), int(time.time() * 1000)
            for part in range(100):
                time.sleep(max(0, began + part / 100 - time.monotonic()))
                publisher.send([(f"patrol/v1/in/gw-00/noise/meter-{n:06}", b'{"ts":%d,"laeq":80}' % (base - 2000)) for n in range(part * 10, part * 10 + 10)])
            end = time.monotonic() + 30
            while len(assigned.came) < 1000 and time.monotonic() < end:
                time.sleep(0.005)
            if len(assigned.came) < 1000:
                raise BenchError(f"{len(assigned.came)} of 1000 tasks were assigned\n{patrol.tail()}")
            assigned.stop()
            return max(assigned.came.values()) - began


def latency(bench, seconds):
    """From before a loud reading is sent, one of ten a second among 20,000, to its task assigned: with a stub as the
    broker (a list, of each round), through mosquitto, and what a plain subscriber takes behind that mosquitto until the
    reading is stored."""
    rate = 20_000

    def probe(*arguments):
        return Process([bench.tools / "latency", *arguments])

    def assigned(answer):
        taken = answer["answered_ms"] or {"count": 0}
        if taken["count"] < answer["answers_expected"]:
            raise BenchError(f"{taken['count']} of {answer['answers_expected']} tasks were assigned")
        return taken

    wanted = 1, rate, seconds, rate // 10
    def with_stub():
        with bench.store() as store:
            before = store.parent / f"{store.stem}-fixes.txt"
            before.write_bytes(b"".join(b"%s %s\n" % (topic.encode(), payload) for topic, payload in fixes()))
            with probe("-", before, *wanted, "-", "-", "patrol.task.assigned") as stub:
                with District(bench, int(stub.line().split()[1]), store, meters=rate):
                    return assigned(stub.json_line())

    alone = [with_stub() for _ in range(bench.rounds)]
    with bench.store() as store:
        broker, patrol, _, listener = ready(bench, store, rate)
        with broker, patrol:
            listener.stop()
            with probe("127.0.0.1", broker.port, *wanted, "-", "patrol/v1/out/#", "patrol.task.assigned") as loud:
                through = assigned(loud.json_line())
    with bench.store() as store, Mosquitto(store.parent) as broker, FloorSubscriber(bench, broker.port, 1, store) as floor:
        floor.wait_ready()
        with probe("127.0.0.1", broker.port, *wanted, store, "patrol/v1/out/#", "no answer") as quiet:
            stored = quiet.json_line()["stored_ms"]
    return {"alone": alone, "through": through, "floor": stored}


def recording(bench, messages):
    """Meters each second, now and then one that is loud, and fixes of the units: as a district's day."""
    path = bench.folder / f"district-{messages}.txt"
    if not path.exists():
        chance, start = random.Random(3), int(time.time() * 1000) - messages // 1000 * 1000 - 5000
        with open(path, "w", encoding="ascii") as out:
            for number in range(messages):
                ts = start + number // 1000 * 1000
                if number % 10 == 9:
                    unit = chance.randrange(UNITS)
                    out.write(f'patrol/v1/in/gw/bodycam/c{unit} {{"ts":{ts + number % 1000},"battery":80,"lat":{chance.uniform(30.15, 30.5):.6f},"lon":{chance.uniform(119.7, 120.1):.6f}}}\n')
                else:
                    level = 75 if number % 10_000 == 5 else chance.randrange(400, 660) / 10
                    out.write(f'patrol/v1/in/gw-00/noise/meter-{number % 1000:06} {{"ts":{ts},"laeq":{level}}}\n')
    return path


def main_path(bench, path, messages, dispatches):
    with bench.store() as store:
        stub = Process([bench.tools / "stub_broker", path, 1, 20_000])
        with stub:
            port = int(stub.line().split()[1])
            with District(bench, port, store, dispatches) as patrol:
                stub.json_line()
                seconds = stub.json_line()["seconds"]
                patrol.stop(check=True)
                return {"rate": messages / seconds, "cpu": patrol.cpu_seconds / messages * 1e6}


def rows(rows):
    """The rows by name; `rows` is the module that has the others."""
    def storms(bench):
        taken = sorted(storm(bench) for _ in range(bench.rounds))
        return [rows.Result("dispatch-storm", "1,000 alerts in a second, each a task with a unit, published", "s", "≤ 2", taken[len(taken) // 2], None, None,
                            {"seconds": [round(value, 3) for value in taken]})]

    def soon(bench):
        taken = latency(bench, 6 if bench.quick else 20)
        results = [rows.Result(f"dispatch-latency-{p}", f"loud reading sent → task assigned and published, 20,000 readings/s, {p}", "ms", f"≤ {limit}",
                               statistics.median(answer[p] for answer in taken["alone"]), None, None, {"patrol": taken["alone"]})
                   for p, limit in (("p50", 5), ("p99", 20))]
        through, floor = taken["through"], taken["floor"]
        for p in ("p50", "p99"):
            results.append(rows.Result(f"dispatch-mosquitto-{p}", f"the same through mosquitto, against stored by a C program, {p}", "ms", "≤ 1 ×",
                                       through[p], floor[p], through[p] / floor[p], {"patrol": through, "floor": floor}))
        return results

    def against_without(bench):
        messages = bench.messages // 2
        path = recording(bench, messages)
        samples = rows.alternate(bench, lambda: main_path(bench, path, messages, True), lambda: main_path(bench, path, messages, False))
        return [rows.compared("dispatch-main-path", "QoS 1 with dispatching of a district, against without", "≥ 0.95 ×", samples)]

    return {"dispatch-storm": storms, "dispatch-latency": soon, "dispatch-main-path": against_without}
