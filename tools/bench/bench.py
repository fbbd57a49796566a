"""Measures Patrol beside floors: small C programs that do the same job. `run --help` says how."""
import argparse
import contextlib
import json
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import generate
import rows
import toolchain
import workloads

EPILOG = """examples:
  tools/bench/run                        every row, three rounds each
  tools/bench/run replay stub-qos1       two rows
  tools/bench/run --quick --json out.json
  tools/bench/run --self-test --quick    the floors against themselves: tests this tool, needs no Patrol"""

BUSY_LOAD = 0.5


@dataclass
class Recording:
    path: Path
    readings: int


class Bench:
    """One run: its options, its folder, the recordings made for it."""

    def __init__(self, options, folder):
        self.quick = options.quick
        self.rounds = options.rounds or (1 if options.quick else 3)
        self.messages = options.messages or (100_000 if options.quick else 1_000_000)
        self.full = options.full
        self.patrol = Path(options.patrol).resolve()
        self.folder = folder
        self.tools = toolchain.compile_programs()
        self.floor = workloads.Side(self, is_patrol=False)
        self.ours = workloads.Side(self, is_patrol=not options.self_test)
        self._recordings, self._taken, self._stores = {}, {}, 0

    def recording(self, messages, devices=1000, array=1, live=False):
        """A recording; a `live` one ends a few seconds before its making, as what comes from meters does."""
        key = (messages, devices, array, live)
        if key not in self._recordings:
            start = generate.DEFAULT_START_MS
            if live:
                span_seconds = -(-messages // devices) * array
                start = (int(time.time()) - span_seconds - 5) * 1000
            path = self.folder / f"{messages}-{devices}-{array}{'-live' if live else ''}.txt"
            with open(path, "w", encoding="ascii") as out:
                generate.write(out, messages, devices, start, array=array, full=self.full)
            self._recordings[key] = Recording(path, messages * array)
        return self._recordings[key]

    def once(self, name, measure):
        """The result of `measure`, taken at the first call."""
        if name not in self._taken:
            self._taken[name] = measure()
        return self._taken[name]

    @contextlib.contextmanager
    def store(self):
        """The path of a store to be, in a folder of its own that is deleted afterwards."""
        self._stores += 1
        folder = self.folder / f"store-{self._stores}"
        folder.mkdir()
        try:
            yield folder / "patrol.db"
        finally:
            shutil.rmtree(folder)


def figure(value, unit):
    if value is None:
        return "–"
    text = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 1 else f"{value:.2f}"
    return f"{text} {unit}".strip()


def table_line(cells):
    return f"{cells[0]:<52} {cells[1]:>18} {cells[2]:>18} {cells[3]:>8}  {cells[4]:<12} {cells[5]}"


def print_result(result):
    print(table_line((
        result.title, figure(result.patrol, result.unit), figure(result.floor, result.unit),
        "–" if result.ratio is None else f"{result.ratio:.2f} ×", result.target, "ok" if result.is_met else "below"
    )), flush=True)


def machine():
    model = ""
    with contextlib.suppress(OSError):
        with open("/proc/cpuinfo") as info:
            model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "")
    load = round(os.getloadavg()[0], 2)
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "load": load}


def as_json(result):
    return {
        "name": result.name, "title": result.title, "unit": result.unit, "patrol": result.patrol,
        "floor": result.floor, "ratio": result.ratio, "target": result.target, "ok": result.is_met,
        "details": result.details}


def arguments():
    parser = argparse.ArgumentParser(
        prog="tools/bench/run", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="what to measure; --list names the rows")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    parser.add_argument("--patrol", default=toolchain.ROOT / ".build/release/patrol", help="the program (%(default)s)")
    parser.add_argument("--rounds", type=int, help="runs of each side, alternating (3)")
    parser.add_argument("--messages", type=int, help="messages of a recording (1000000)")
    parser.add_argument("--full", action="store_true", help="readings with lmax, lmin and battery too")
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages, one round")
    parser.add_argument("--json", metavar="FILE", help="write the results there too (- for standard output)")
    parser.add_argument("--self-test", action="store_true", help="measure the floors against themselves")
    parser.add_argument("--folder", help="where recordings and stores are put (a temporary folder; on a disk, please)")
    options = parser.parse_args()
    unknown = [name for name in options.rows if name not in rows.ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are: {', '.join(rows.ROWS)}")
    return options


def measure(bench, names):
    results, failures = [], {}
    print(table_line(("measure", "Patrol", "floor", "ratio", "to reach", "")))
    for name in names:
        try:
            for result in rows.ROWS[name](bench):
                results.append(result)
                print_result(result)
        except (toolchain.BenchError, OSError, ValueError, TypeError, KeyError, sqlite3.Error) as error:
            failures[name] = str(error)
            print(f"{name:<52} failed: {error}", flush=True)
    return results, failures


def main():
    options = arguments()
    if options.list:
        print("\n".join(rows.ROWS))
        return 0
    if not options.self_test and not os.access(options.patrol, os.X_OK):
        print(f"{options.patrol} is not there: build it with `swift build -c release`", file=sys.stderr)
        return 2
    before = machine()
    if before["load"] > BUSY_LOAD:
        print(f"The machine is busy (load {before['load']}): compare CPU seconds rather than rates.", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="patrol-bench-", dir=options.folder) as folder:
        try:
            bench = Bench(options, Path(folder))
        except toolchain.BenchError as error:
            print(error, file=sys.stderr)
            return 2
        results, failures = measure(bench, options.rows or rows.ROWS)
    if options.json:
        text = json.dumps({
            "machine": before, "messages": bench.messages, "rounds": bench.rounds,
            "results": [as_json(r) for r in results], "failures": failures}, indent=2, ensure_ascii=False)
        if options.json == "-":
            print(text)
        else:
            Path(options.json).write_text(text + "\n")
    return 0 if not failures and all(r.is_met for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
