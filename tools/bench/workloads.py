"""The jobs that Patrol and the floors are given. Each returns what it took, as a dictionary with `rate` in readings/s
or `seconds`, `cpu` in seconds per million readings, and checks that every reading is stored."""
import shutil
import subprocess

from processes import FloorSubscriber, Mosquitto, PatrolSubscriber, Process, stored_count, wait_stored
from toolchain import BenchError

QOS1_WINDOW = 20_000
PUBLISHER_WINDOW = 2_000


class Side:
    """Patrol or the floor: how each does its part."""

    def __init__(self, bench, is_patrol):
        self.bench = bench
        self.name = "patrol" if is_patrol else "floor"
        self.subscriber = PatrolSubscriber if is_patrol else FloorSubscriber
        self.is_patrol = is_patrol

    def replay_command(self, recording, store):
        if self.is_patrol:
            return [self.bench.patrol, "replay", recording, "--into", store]
        return [self.bench.tools / "floor_replay", recording, store]


def check_stored(store, wanted):
    count = stored_count(store)
    if count != wanted:
        raise BenchError(f"{count} of {wanted} readings are in {store}")


def sample(seconds, cpu_seconds, readings):
    return {"rate": readings / seconds, "seconds": seconds, "cpu": cpu_seconds / readings * 1e6}


def without_debug_information(program, folder):
    """A copy with symbols only: valgrind does not understand every compiler's debug information."""
    copy = folder / program.name
    subprocess.run(["objcopy", "--strip-debug", program, copy], check=True)
    return copy


def replay(side, recording, keep=False, prefix=(), environment=None, stripped=False):
    """A recording into a fresh store, the whole process."""
    with side.bench.store() as store:
        program, *arguments = side.replay_command(recording.path, store)
        if stripped:
            program = without_debug_information(program, store.parent)
        command = [*prefix, program, *arguments]
        process = Process(command, environment, log=store.parent / "replay.log").wait(limit_seconds=1800)
        check_stored(store, recording.readings)
        if keep:
            shutil.copy(store, keep)
        return sample(process.wall_seconds, process.cpu_seconds, recording.readings)


def insert(side, recording):
    """Plain SQLite inserts of a recording's rows."""
    with side.bench.store() as store:
        process = Process([side.bench.tools / "floor_insert", recording.path, store])
        answer = process.json_line()
        process.wait()
        check_stored(store, recording.readings)
        return sample(answer["seconds"], answer["cpu_seconds"], recording.readings)


def through_mosquitto(side, recording, qos):
    """Publisher → mosquitto → subscriber: from the first message until all are visible in the store."""
    bench = side.bench
    with bench.store() as store, Mosquitto(store.parent) as broker:
        with side.subscriber(bench, broker.port, qos, store) as subscriber:
            subscriber.wait_ready()
            publisher = Process(
                [bench.tools / "publish", "127.0.0.1", broker.port, recording.path, qos, PUBLISHER_WINDOW])
            with publisher:
                first = publisher.json_line()["first"]
                seconds = wait_stored(store, recording.readings, subscriber) - first
                publisher.wait()
            subscriber.stop(check=True)
            check_stored(store, recording.readings)
            return sample(seconds, subscriber.cpu_seconds, recording.readings)


def from_stub(side, recording, qos, rules=None, environment=None):
    """A stub plays the broker. QoS 1: to the last acknowledgement; QoS 0: until all are visible in the store."""
    bench = side.bench
    with bench.store() as store:
        stub = Process([bench.tools / "stub_broker", recording.path, qos, QOS1_WINDOW])
        with stub:
            port = int(stub.line().split()[1])
            with side.subscriber(bench, port, qos, store, rules, environment) as subscriber:
                first = stub.json_line()["first"]
                seen = wait_stored(store, recording.readings, subscriber, interval_seconds=0.01 if qos else 0.001)
                seconds = stub.json_line()["seconds"] if qos else seen - first
                memory = subscriber.memory_megabytes()
                buckets = subscriber.metric("open_bucket_bytes") / 1e6 if side.is_patrol else 0
                subscriber.stop(check=True)
                check_stored(store, recording.readings)
                result = sample(seconds, subscriber.cpu_seconds, recording.readings)
                result["resident_mb"], result["highest_mb"], result["anonymous_mb"] = memory
                result["buckets_mb"] = buckets
                return result


RULES = """rules:
  - id: noise-over-70
    title: { en: "Noise over 70 dB", zh: "噪声超过70分贝" }
    on: noise
    condition: { metric: laeq, above: 70, clear_below: 68 }
    severity: warning
    task: { kind: noise-check }
"""


# One meter of so many is over the rule's level in each second.
LOUD_EVERY = 20


def latency(side, rate, seconds, echo=False):
    """Steady traffic through mosquitto; times to the store and to the alert (or, `echo`, the bare message) in ms."""
    bench = side.bench
    with bench.store() as store, Mosquitto(store.parent) as broker:
        def probe(look_at):
            wanted = ("patrol/v1/in/#", "-") if echo or not side.is_patrol else ("patrol/v1/out/alerts/#", "firing")
            process = Process(
                [bench.tools / "latency", "127.0.0.1", broker.port, 1, rate, seconds, LOUD_EVERY, look_at, *wanted])
            answer = process.json_line()
            process.wait()
            return answer

        if echo:
            answer = probe("-")
        else:
            with side.subscriber(bench, broker.port, 1, store, RULES) as subscriber:
                subscriber.wait_ready()
                answer = probe(store)
                if answer["stored"] != answer["sent"]:
                    raise BenchError(f"{answer['stored']} of {answer['sent']} readings were stored")
        expected, seen = answer["answers_expected"], (answer["answered_ms"] or {"count": 0})["count"]
        if expected != seen:
            raise BenchError(f"{seen} of {expected} alerts came\n{subscriber.tail() if not echo else ''}")
        return answer
