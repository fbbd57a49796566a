"""The table of what is measured: each row's name, target and how its figures come about."""
import contextlib
import json
import re
import sqlite3
import statistics
import subprocess
import sys
from dataclasses import dataclass, field

import counting
import dispatch_rows
import fences
import outlets
import rules_rows
import toolchain
import rollup_rows
import workloads
from toolchain import BenchError


@dataclass
class Result:
    """One line of the table. What is judged is the ratio where there is one, else Patrol's figure."""
    name: str
    title: str
    unit: str
    target: str
    patrol: float
    floor: float | None = None
    ratio: float | None = None
    details: dict = field(default_factory=dict)

    @property
    def judged(self):
        return self.patrol if self.ratio is None else self.ratio

    @property
    def is_met(self):
        sign, limit = self.target.split()[:2]
        return self.judged >= float(limit) if sign == "≥" else self.judged <= float(limit)


def alternate(bench, ours, floor):
    """`ours` and `floor` in turn, so that a change of the machine's mood meets both; the samples of each."""
    samples = ([], [])
    for _ in range(bench.rounds):
        for job, taken in zip((ours, floor), samples):
            taken.append(job())
    return samples


def median(samples, key):
    return statistics.median(sample[key] for sample in samples)


def compared(name, title, target, samples, key="rate", unit="readings/s"):
    ours, floor = (median(taken, key) for taken in samples)
    details = {side: [round(s[key], 3) for s in taken] for side, taken in zip(("patrol", "floor"), samples)}
    if key != "cpu":
        details["cpu_seconds_per_million"] = {
            side: round(median(taken, "cpu"), 3) for side, taken in zip(("patrol", "floor"), samples)}
    return Result(name, title, unit, target, ours, floor, ours / floor, details)


def replay_samples(bench):
    """Shared by the rows on replay: measured once in a run."""
    recording = bench.recording(bench.messages)
    return bench.once("replay", lambda: alternate(
        bench, lambda: workloads.replay(bench.ours, recording), lambda: workloads.replay(bench.floor, recording)))


def replay(bench):
    return [compared("replay", "replay, whole process", "≥ 1.4 ×", replay_samples(bench))]


def cpu(bench):
    return [compared("cpu", "CPU seconds per million readings, replay", "≤ 1.2 ×", replay_samples(bench), "cpu", "s")]


def live(bench, name, title, target, job, qos):
    recording = bench.recording(bench.messages, live=True)
    samples = alternate(
        bench, lambda: job(bench.ours, recording, qos), lambda: job(bench.floor, recording, qos))
    return [compared(name, title, target, samples)]


def mosquitto_qos0(bench):
    return live(bench, "mosquitto-qos0", "through mosquitto, QoS 0", "≥ 1.0 ×", workloads.through_mosquitto, 0)


def mosquitto_qos1(bench):
    return live(bench, "mosquitto-qos1", "through mosquitto, QoS 1", "≥ 1.0 ×", workloads.through_mosquitto, 1)


def stub_qos0(bench):
    return live(bench, "stub-qos0", "subscriber alone, QoS 0", "≥ 1.2 ×", workloads.from_stub, 0)


def stub_qos1(bench):
    return live(bench, "stub-qos1", "subscriber alone, QoS 1", "≥ 1.2 ×", workloads.from_stub, 1)


def arrays(bench):
    recording = bench.recording(bench.messages // 50, array=50, live=True)
    samples = alternate(
        bench, lambda: workloads.from_stub(bench.ours, recording, 1), lambda: workloads.insert(bench.floor, recording))
    return [compared("arrays", "QoS 1, arrays of 50, against plain inserts", "≥ 0.9 ×", samples)]


def spread(name, title, limits, ours, floor):
    details = {"patrol": ours, "floor": floor}
    return [
        Result(f"{name}-{p}", f"{title}, {p}", "ms", f"≤ {limit}", ours[p], floor and floor[p], None, details)
        for p, limit in zip(("p50", "p99"), limits)]


def latency_samples(bench):
    def measure():
        rate, seconds = 2000, 5 if bench.quick else 15
        return {
            "patrol": workloads.latency(bench.ours, rate, seconds),
            "floor": workloads.latency(bench.floor, rate, seconds),
            "echo": workloads.latency(bench.floor, rate, seconds, echo=True),
        }
    return bench.once("latency", measure)


def latency(bench):
    taken = latency_samples(bench)
    return spread("latency", "publish → stored, 2,000 msg/s, QoS 1", (1, 5), taken["patrol"]["stored_ms"],
                  taken["floor"]["stored_ms"])


def alert_latency(bench):
    taken = latency_samples(bench)
    return spread("alert-latency", "publish → alert received (floor: mosquitto's echo)", (3, 10),
                  taken["patrol"]["answered_ms"], taken["echo"]["answered_ms"])


def memory(bench):
    rows = []
    for devices, limit, limit_all in ((10_000, 64, 128), (100_000, 256, 512)):
        recording = bench.recording(max(bench.messages, devices), devices=devices, live=True)
        ours, floor = (workloads.from_stub(side, recording, 1) for side in (bench.ours, bench.floor))
        name, title = f"memory-{devices // 1000}k", f"resident memory at its highest, {devices:,} devices"
        rows.append(Result(
            name, f"{title}, without open buckets coarser than a minute", "MB", f"≤ {limit}",
            ours["highest_mb"] - ours["buckets_mb"], floor["highest_mb"], None,
            {f"{part}_at_the_end_mb": {"patrol": ours[f"{part}_mb"], "floor": floor[f"{part}_mb"]}
             for part in ("resident", "anonymous")}))
        rows.append(Result(
            f"{name}-all", f"{title}, all rollups open", "MB", f"≤ {limit_all}", ours["highest_mb"], None, None,
            {"open_buckets_mb": round(ours["buckets_mb"], 1)}))
    return rows


def devices(bench):
    """In steady state: what a longer recording takes more than a shorter one, so that neither the first sight of each
    device nor the end of the run counts. The whole runs are in the details."""
    devices = 10_000 if bench.quick else 100_000
    small, large = bench.messages, 4 * bench.messages

    def job(side):
        rates, whole = [], []
        for count in (devices // 100, devices):
            seconds = [workloads.replay(side, bench.recording(messages, devices=count))["seconds"] for messages in (small, large)]
            rates.append((large - small) / (seconds[1] - seconds[0]))
            whole.append(small / seconds[0])
        return {"rate": rates[1] / rates[0], "whole": whole[1] / whole[0], "cpu": 0}

    ours, floor = alternate(bench, lambda: job(bench.ours), lambda: job(bench.floor))
    return [Result("devices", f"replay of {devices:,} devices against {devices // 100:,}, steady", "×", "≥ 0.7 ×",
                   median(ours, "rate"), median(floor, "rate"), None,
                   {side: {key: [round(s[key], 3) for s in taken] for key in ("rate", "whole")}
                    for side, taken in (("patrol", ours), ("floor", floor))})]


def rollups(bench):
    """The main path against itself with minutes alone."""
    minutes_only = {"PATROL_BENCH_MINUTES_ONLY": "1"}
    longer = bench.recording(4 * bench.messages)
    lines, packed = bench.recording(bench.messages, live=True), bench.recording(4 * bench.messages // 50, array=50, live=True)
    copy = bench.folder / "minutes-only.db"
    workloads.replay(bench.ours, bench.recording(bench.messages // 10), keep=copy, environment=minutes_only)
    with contextlib.closing(sqlite3.connect(copy)) as db:
        (minutes,), (hours,) = (db.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("noise_1m", "noise_1h"))
    copy.unlink()
    if hours or not minutes:
        raise BenchError(f"{minutes} minutes and {hours} hours where there should be minutes alone")
    rows = []
    for name, title, job in (
        ("replay", "replay", lambda environment: workloads.replay(bench.ours, longer, environment=environment)),
        ("stub-qos0", "subscriber alone, QoS 0", lambda environment: workloads.from_stub(bench.ours, lines, 0, environment=environment)),
        ("arrays", "QoS 1, arrays of 50", lambda environment: workloads.from_stub(bench.ours, packed, 1, environment=environment)),
    ):
        samples = alternate(bench, lambda: job(None), lambda: job(minutes_only))
        rows.append(compared(f"rollups-{name}", f"{title}, all rollups against minutes alone", "≥ 0.85 ×", samples))
    return rows


def allocations(bench):
    """Own code and the runtime, without what SQLite and libmosquitto ask for themselves."""
    rows = []
    size = bench.messages // 4
    for name, title, is_live, job in (
        ("allocations-replay", "allocations per reading, replay", False,
         lambda side: lambda recording, environment: workloads.replay(side, recording, environment=environment)),
        ("allocations-live", "allocations per reading, QoS 1", True,
         lambda side: lambda recording, environment: workloads.from_stub(
             side, recording, 1, environment=environment)),
    ):
        small, large = bench.recording(size, live=is_live), bench.recording(2 * size, live=is_live)
        ours, floor = (counting.allocations(side, small, large, job(side)) for side in (bench.ours, bench.floor))
        rows.append(Result(name, title, "", "≤ 0.005 (0)", ours["own"], floor["own"], None,
                           {"patrol": ours, "floor": floor}))
    return rows


def retains(bench):
    # Both runs pass the end of a minute, where queues grow for the first time.
    size = 20_000 if bench.quick else 120_000
    counts, callers = counting.retains(bench.ours, bench.recording(size), bench.recording(2 * size))
    return [Result("retains", "retains, releases, objects per reading, replay", "", "≤ 0.005 (0)",
                   sum(counts.values()), None, None, {"by_name": counts, "callers": callers})]


def disk(bench):
    """The pages of the table that holds the raw readings, with its indexes."""
    recording = bench.recording(bench.messages)

    def measure(side):
        copy = bench.folder / f"{side.name}-disk.db"
        workloads.replay(side, recording, keep=copy)
        with sqlite3.connect(copy) as db:
            (sql,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'noise'").fetchone()
            tables = {"noise"} if sql.startswith("CREATE TABLE") else set(re.findall(r"\b\w+_raw\w*\b|\braw_\w+\b", sql))
            marks = ", ".join("?" * len(tables))
            try:
                (raw,) = db.execute(
                    "SELECT sum(pgsize) FROM dbstat WHERE aggregate = TRUE AND name IN"
                    f" (SELECT name FROM sqlite_schema WHERE tbl_name IN ({marks}))", sorted(tables)).fetchone()
            except sqlite3.OperationalError:  # no dbstat in this SQLite: the whole file, a little more
                raw = copy.stat().st_size
        db.close()
        whole = copy.stat().st_size
        copy.unlink()
        return raw / recording.readings, whole / recording.readings

    (ours, ours_whole), (floor, floor_whole) = measure(bench.ours), measure(bench.floor)
    return [Result("disk", "bytes on disk a raw reading", "B", "≤ 32", ours, floor, None,
                   {"whole_file": {"patrol": round(ours_whole, 1), "floor": round(floor_whole, 1)}})]


def outlet_latency(bench):
    taken = outlets.latency(bench, 10 if bench.quick else 30)
    rows = []
    for way, title in (("mqtt", "MQTT"), ("sse", "SSE"), ("webhook", "webhook"), ("poll", "long poll")):
        rows += spread(f"outlet-latency-{way}", f"event committed → received, {title}, 100 events/s", (2, 10), taken[way] | {"commit_ms": taken["commit"]}, None)
    return rows


def outlet_drain(bench):
    events = 100_000 if bench.quick else 1_000_000
    taken = outlets.drains(bench, events)
    hooks = outlets.webhook_drain(bench, 5_000 if bench.quick else 20_000)
    return [
        Result("outlet-drain-sse", "drained by one SSE reader", "events/s", "≥ 50000", taken["sse"]),
        Result("outlet-drain-webhook", "drained to a local webhook receiver", "events/s", "≥ 5000", hooks),
        Result("outlet-drain-pull", "drained by pull", "events/s", "≥ 100000", taken["pull"]),
        Result("outlet-catch-up", "catch-up of a consumer 1 M events behind, pull", "s", "≤ 30", 1e6 / taken["pull"], None, None,
               {"measured_with": events}),
    ]


def outlet_crowd(bench):
    readers = 200 if bench.quick else 1000
    taken, memory = outlets.crowd(bench, readers, 10 if bench.quick else 30)
    return [
        Result("outlet-crowd-p99", f"{readers} SSE readers at 100 events/s, written → received, p99", "ms", "≤ 100", taken["p99"],
               None, None, taken),
        Result("outlet-reader-memory", "memory of an idle SSE reader", "kB", "≤ 64", memory),
    ]


def outlet_ingest(bench):
    """Readers and receivers that misbehave may not slow ingest."""
    readers, rate, seconds = (200, 5_000, 5) if bench.quick else (1000, 10_000, 20)
    alone, crowded = outlets.ingest(bench, readers, rate, seconds)
    return [
        Result("outlet-ingest", f"ingest of {rate} readings/s with {readers} SSE readers and a dead webhook receiver, against alone", "×",
               "≤ 1.05", crowded / alone, None, None, {"alone_s": round(alone, 2), "crowded_s": round(crowded, 2)})
    ]


def dispatching(bench):
    """The pure parts of dispatching, timed inside one process."""
    program = toolchain.ROOT / ".build/release/dispatch-bench"
    if not program.exists():
        raise BenchError(f"{program} is not there: build it with `swift build -c release --product dispatch-bench`")
    runs = [json.loads(subprocess.run([program], check=True, capture_output=True, text=True).stdout) for _ in range(bench.rounds)]
    best = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    return [
        Result("dispatch-choice", "choice of a unit among 10,000 with explanation", "µs", "≤ 200", best["choice_us"], details=best),
        Result("dispatch-tick", "slowest clock tick with 100,000 open tasks", "ms", "≤ 5", best["tick_slowest_ms"], details=best),
    ]


def fence(bench):
    """Which of 1,000 fences of 50 corners hold a point; both sides must find the same."""
    path = bench.folder / "fences.txt"
    fences.write(path)
    ours, floor = alternate(bench, lambda: fences.job(bench.ours, path, 10), lambda: fences.job(bench.floor, path, 1))
    hits = {"patrol": ours[0]["hits"], "floor": floor[0]["hits"]}
    if hits["patrol"] != hits["floor"]:
        raise BenchError(f"the sides disagree on what holds the points: {hits}")
    allocated = fences.allocations(bench.ours, path)
    return [
        Result("fence", "a point among 1,000 fences of 50 corners", "µs", "≤ 2", median(ours, "microseconds"),
               median(floor, "microseconds"), None, {"hits": hits}),
        Result("fence-allocations", "allocations a point among fences", "", "≤ 0.005 (0)", allocated)]


ROWS = {
    "replay": replay,
    "mosquitto-qos0": mosquitto_qos0,
    "mosquitto-qos1": mosquitto_qos1,
    "stub-qos0": stub_qos0,
    "stub-qos1": stub_qos1,
    "arrays": arrays,
    "cpu": cpu,
    "latency": latency,
    "alert-latency": alert_latency,
    "memory": memory,
    "devices": devices,
    "rollups": rollups,
    "allocations": allocations,
    "retains": retains,
    "fence": fence,
    "disk": disk,
    "outlet-latency": outlet_latency,
    "outlet-drain": outlet_drain,
    "outlet-crowd": outlet_crowd,
    "outlet-ingest": outlet_ingest,
    "dispatch": dispatching,
    "fence": fence,
    **rollup_rows.queries(Result),
}
ROWS |= rules_rows.rows(sys.modules[__name__])
ROWS |= dispatch_rows.rows(sys.modules[__name__])
