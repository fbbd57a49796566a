"""Counts what the hot path must not do: allocations (a preloaded library), retains and releases (callgrind)."""
import json
import os
import re
import shutil
from collections import Counter

import workloads
from toolchain import BenchError

RUNTIME_CALLS = (
    "swift_retain", "swift_release", "swift_retain_n", "swift_release_n", "swift_bridgeObjectRetain",
    "swift_bridgeObjectRelease", "swift_allocObject", "swift_unknownObjectRetain", "swift_unknownObjectRelease")


def allocations(side, small, large, job):
    """Allocations per reading in steady state, by the library that asked: those of a run with `large` less those of
    a run with `small`. `job` runs the workload with an environment."""
    counts = []
    for recording in (small, large):
        path = side.bench.folder / "allocations.json"
        path.unlink(missing_ok=True)
        job(recording, {"LD_PRELOAD": str(side.bench.tools / "count_allocations.so"), "BENCH_ALLOCATIONS": str(path)})
        if not path.exists():
            raise BenchError("no counts were written: did the process end in an orderly way?")
        counts.append(json.loads(path.read_text()))
    readings = large.readings - small.readings
    return {name: (counts[1][name] - counts[0][name]) / readings for name in counts[0]}


def calls(path, names):
    """How often each of `names` was called and by whom, from a callgrind profile: {(name, caller): count}."""
    known, counts, caller, callee = {}, Counter(), "", ""
    name_line, calls_line = re.compile(r"c?fn=\((\d+)\)(?: (.*))?"), re.compile(r"calls=(\d+)")
    with open(path, errors="replace") as profile:
        for line in profile:
            if line.startswith(("fn=", "cfn=")):
                number, name = name_line.match(line).groups()
                if name:
                    known[number] = re.sub(r"('\d+|@.*)$", "", name.strip())
                if line.startswith("cfn="):
                    callee = known.get(number, "")
                else:
                    caller = known.get(number, "")
            elif line.startswith("calls=") and callee in names:
                counts[callee, caller] += int(calls_line.match(line).group(1))
    return counts


def retains(side, small, large):
    """Calls of the runtime's counting functions per reading in steady state: by name, and who makes them."""
    if not shutil.which("valgrind") or not shutil.which("objcopy"):
        raise BenchError("missing packages, install them: sudo apt-get install valgrind binutils")
    counts = []
    for recording in (small, large):
        path = side.bench.folder / "callgrind.out"
        path.unlink(missing_ok=True)
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={path}", "-q"]
        # Both runs meet the same collisions in dictionaries when the devices are seen first.
        environment = {"LD_PRELOAD": str(side.bench.tools / "copy_signal_mask.so"), "SWIFT_DETERMINISTIC_HASHING": "1"}
        workloads.replay(side, recording, prefix=command, environment=environment, stripped=True)
        counts.append(calls(path, RUNTIME_CALLS))
        os.remove(path)
    more = counts[1]
    more.subtract(counts[0])
    readings = large.readings - small.readings
    # One of a bridge object makes a plain one: that is the same once more.
    more = Counter({(callee, caller): n for (callee, caller), n in more.items() if caller not in RUNTIME_CALLS})
    by_name = {name: sum(n for (callee, _), n in more.items() if callee == name) / readings for name in RUNTIME_CALLS}
    callers = {f"{callee} < {caller}": n / readings for (callee, caller), n in more.most_common(8) if n > 0}
    return by_name, callers
