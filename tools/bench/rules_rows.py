"""Rows on rules: what they cost beside the one rule of the main path, and how fast the past is judged."""
import os
import sqlite3
import subprocess
import time
from pathlib import Path

import counting
import workloads
from processes import Mosquitto, PatrolSubscriber, Process, wait_stored
from toolchain import ROOT, BenchError

WINDOW = """rules:
  - id: window
    on: noise
    condition: { metric: laeq, window: 20m, above: 70 }
    severity: warning
"""

# As the example district's rules for noise, for every meter: three windows, a limit, silence, a battery.
DISTRICT = """rules:
  - { id: over, on: noise, condition: { metric: laeq, above: 70, for: 30s, clear_below: 68 }, severity: warning, task: { kind: check } }
  - { id: day, on: noise, when: { hours: 06:00-22:00 }, condition: { metric: laeq, window: 20m, limit: gb12523 }, severity: warning, keep_firing_for: 5m, cool_down: 30m }
  - { id: night, on: noise, when: { hours: 22:00-06:00 }, condition: { metric: laeq, window: 5m, limit: gb12523, margin: 20 }, severity: warning, keep_firing_for: 5m }
  - { id: peak, on: noise, when: { hours: 22:00-06:00 }, condition: { metric: lmax, limit: gb12523 }, severity: warning }
  - { id: weekend, on: noise, when: { hours: 10:00-12:00, weekdays: [sat, sun] }, condition: { metric: laeq, window: 1m, above: 69 }, severity: warning }
  - { id: silent, on: noise, condition: { absent_for: 30m }, severity: info }
  - { id: battery, on: noise, condition: { metric: battery, below: 10, clear_above: 20 }, severity: info }
"""

RULE_BENCH = ROOT / ".build/release/rule-bench"
DATA = Path(os.environ.get("PATROL_DATA", Path(__file__).resolve().parents[2].parent / "shared/data"))


def thousand():
    """1,000 rules, of which each meter meets ten."""
    lines = ["rules:"]
    for number in range(1000):
        names = ", ".join(f"meter-{device:06d}" for device in range(number // 10 * 10, number // 10 * 10 + 10))
        lines.append(
            f"  - {{ id: r{number}, on: noise, where: {{ devices: [{names}] }}, "
            f"condition: {{ metric: laeq, above: {70 + number % 10} }}, severity: info }}")
    return "\n".join(lines) + "\n"


def replay(bench, recording, rules, environment=None):
    with bench.store() as store:
        command = [bench.patrol, "replay", recording.path, "--into", store]
        if rules:
            path = store.parent / "rules.yaml"
            path.write_text(rules)
            command += ["--rules", path]
        process = Process(command, environment, log=store.parent / "replay.log").wait(limit_seconds=1800)
        workloads.check_stored(store, recording.readings)
        sample = workloads.sample(process.wall_seconds, process.cpu_seconds, recording.readings)
        return sample | {"highest_mb": process.highest_megabytes}


def rows(rows):
    """The rows by name; `rows` is the module that has the others."""
    def against_one_rule(name, title, rules, times=1):
        def measure(bench):
            recording = bench.recording(times * bench.messages)
            samples = rows.alternate(
                bench, lambda: replay(bench, recording, rules()), lambda: replay(bench, recording, workloads.RULES))
            return [rows.compared(name, title, "≥ 0.9 ×", samples)]
        return measure

    def evaluations(bench):
        """Readings of 10,000 meters in turn against a rule, in one thread, without a store."""
        if not RULE_BENCH.exists():
            raise BenchError(f"{RULE_BENCH} is not there: build it with `swift build -c release --product rule-bench`")
        with bench.store() as store:
            file = store.parent / "rules.yaml"
            file.write_text(WINDOW)
            taken = []
            for _ in range(bench.rounds):
                answer = subprocess.run([RULE_BENCH, file, "10000", "60" if bench.quick else "600"], capture_output=True, text=True, check=True)
                taken.append(float(answer.stdout.split()[0]))
        nanoseconds = sorted(taken)[len(taken) // 2]
        return [rows.Result(
            "rules-window", "a rule with a window, 10,000 devices, one core", "million/s", "≥ 5", 1000 / nanoseconds, None, None,
            {"nanoseconds": [round(taken_nanoseconds, 1) for taken_nanoseconds in taken]})]

    def backtest(bench):
        path = DATA / "noise_tallinn_kesklinn.csv.gz"
        rules = "".join(
            f"  - {{ id: r{number}, on: noise, condition: {{ metric: laeq, window: {window}, above: {level}, coverage: 40 }}, severity: info }}\n"
            for number, (window, level) in enumerate(
                (window, level) for window in ("5m", "10m", "20m", "1h") for level in (65, 68, 71)))
        taken = []
        for _ in range(bench.rounds):
            with bench.store() as store:
                file = store.parent / "rules.yaml"
                file.write_text("rules:\n" + rules)
                command = [bench.patrol, "rules", "backtest", file, "--from", path, "--period", "60s"]
                taken.append(Process(command, log=store.parent / "log").wait(limit_seconds=600).wall_seconds)
        return [rows.Result(
            "rules-backtest", "backtest of Tallinn, 12 rules with windows", "s", "≤ 2", sorted(taken)[len(taken) // 2], None,
            None, {"seconds": [round(seconds, 2) for seconds in taken]})]

    def memory(bench):
        devices = 10_000 if bench.quick else 100_000
        recording = bench.recording(max(bench.messages, devices), devices=devices)
        taken = replay(bench, recording, DISTRICT)["highest_mb"]
        return [rows.Result(
            "rules-memory", f"resident memory at its highest, {devices:,} devices, the district's rules", "MB", "≤ 300", taken,
            None, None, {})]

    def ready(bench):
        """A replay is killed with half of its readings stored; `patrol run` then has all of them to judge again that came
        since the last checkpoint."""
        recording = bench.recording(bench.messages, devices=10_000)
        with bench.store() as store, Mosquitto(store.parent) as broker:
            path = store.parent / "rules.yaml"
            path.write_text(WINDOW)
            command = [bench.patrol, "replay", recording.path, "--into", store, "--rules", path]
            victim = Process(command, log=store.parent / "replay.log")
            wait_stored(store, recording.readings // 2, victim)
            victim.child.kill()
            victim.wait(check=False)
            with sqlite3.connect(store) as db:
                ((redone,),) = db.execute("SELECT input - checkpoint_input FROM engine_state")
            if redone == 0:
                raise BenchError("the replay was killed behind a checkpoint: nothing is to be judged again")
            started = time.monotonic()
            with PatrolSubscriber(bench, broker.port, 1, store, WINDOW) as patrol:
                patrol.wait_ready()
                seconds = time.monotonic() - started
        return [rows.Result(
            "rules-ready", "ready after a kill, 10,000 devices with windows of 20 minutes", "s", "≤ 5", seconds, None, None,
            {"readings_judged_again": redone})]

    def allocations(bench):
        size = bench.messages // 4
        counts = counting.allocations(
            bench.ours, bench.recording(size), bench.recording(2 * size),
            lambda recording, environment: replay(bench, recording, DISTRICT, environment))
        return [rows.Result(
            "rules-allocations", "allocations per reading, the district's rules", "", "≤ 0.005 (0)", counts["own"], None, None, counts)]

    return {
        "rules-memory": memory,
        "rules-ready": ready,
        "rules-allocations": allocations,
        "rules-district": against_one_rule("rules-district", "replay with the district's rules, against one", lambda: DISTRICT),
        "rules-1000": against_one_rule("rules-1000", "replay with 1,000 rules, ten a meter, against one", thousand, 3),
        "rules-window": evaluations,
        "rules-backtest": backtest,
    }
