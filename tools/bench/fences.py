"""The row on points in fences: a file of fences and points, and the two programs that look them up."""
import json
import math
import random
import subprocess

from toolchain import ROOT, BenchError

FENCES, CORNERS, POINTS = 1000, 50, 100_000
PROGRAM = ROOT / ".build/release/fence-bench"


def write(path):
    """Stars of 50 corners and 200 m to 3 km in a district of 30 by 40 km, and points all over it."""
    chance = random.Random(1)
    with open(path, "w", encoding="ascii") as out:
        print(FENCES, CORNERS, POINTS, file=out)
        for _ in range(FENCES):
            x, y = chance.uniform(119.70, 120.10), chance.uniform(30.20, 30.50)
            size = chance.uniform(0.002, 0.03)
            for corner in range(CORNERS):
                turn = (corner + chance.uniform(0.1, 0.9)) / CORNERS * 2 * math.pi
                reach = size * chance.uniform(0.5, 1)
                print(round((x + reach * math.cos(turn)) * 1e7), round((y + reach * math.sin(turn)) * 1e7), file=out)
        for _ in range(POINTS):
            print(round(chance.uniform(119.70, 120.10) * 1e7), round(chance.uniform(30.20, 30.50) * 1e7), file=out)


def job(side, path, rounds, environment=None):
    if side.is_patrol and not PROGRAM.exists():
        raise BenchError(f"{PROGRAM} is not there: build it with `swift build -c release --product fence-bench`")
    program = PROGRAM if side.is_patrol else side.bench.tools / "floor_fence"
    result = subprocess.run([program, path, str(rounds)], capture_output=True, text=True, env=environment)
    if result.returncode:
        raise BenchError(f"{program}: {result.stderr}")
    nanoseconds, hits = result.stdout.split()
    return {"microseconds": float(nanoseconds) / 1000, "hits": int(hits)}


def allocations(side, path):
    """Allocations a point: those of three rounds less those of one."""
    counts = []
    for rounds in (1, 3):
        out = side.bench.folder / "fence-allocations.json"
        job(side, path, rounds, {"LD_PRELOAD": str(side.bench.tools / "count_allocations.so"), "BENCH_ALLOCATIONS": str(out)})
        counts.append(json.loads(out.read_text())["own"])
    return (counts[1] - counts[0]) / (2 * POINTS)
