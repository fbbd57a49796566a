"""Rows on what the rollups cost and how fast they answer."""
import random
import sqlite3
import subprocess
import time

import generate
import workloads
from toolchain import BenchError

DAYS, METERS = 30, 1000


def month(bench):
    """A store with a month of hours of 1,000 meters (readings of an hour each: they enter hours and days)."""
    def make():
        recording, store = bench.folder / "month.txt", bench.folder / "month.db"
        days = DAYS // 10 if bench.quick else DAYS
        levels = generate.walk(random.Random(7))
        with open(recording, "w", encoding="ascii") as out:
            for hour in range(days * 24):
                ts = generate.DEFAULT_START_MS + hour * 3_600_000
                out.write("".join(
                    f'{generate.topic(d)} {{"ts":{ts},"laeq":{levels[(hour + 31 * d) % generate.WALK_STEPS] / 10},"period_s":3600}}\n'
                    for d in range(METERS)))
        subprocess.run([bench.patrol, "replay", recording, "--into", store, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        recording.unlink()
        return store, days
    return bench.once("month", make)


def asked(bench, *arguments, rows):
    """Milliseconds of `patrol query`, the whole process, at its slowest of twenty."""
    times = []
    for _ in range(20):
        begin = time.monotonic()
        answer = subprocess.run([bench.patrol, "query", *arguments, "--format", "json", "--limit", "100000"],
                                check=True, capture_output=True, text=True)
        times.append((time.monotonic() - begin) * 1000)
        if len(answer.stdout.splitlines()) != rows:
            raise BenchError(f"{len(answer.stdout.splitlines())} rows of {rows}: {answer.stdout[:200]}")
    return times


def plain(store, sql, *arguments):
    """The same rows in SQLite, beside."""
    db = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    begin = time.monotonic()
    db.execute(sql, arguments).fetchall()
    db.close()
    return (time.monotonic() - begin) * 1000


def queries(result):
    def month_of_hours(bench):
        store, days = month(bench)
        times = asked(bench, "noise", "--store", store, "--device", "meter-000500", "--step", "1h",
                      "--since", "2026-03-01T00:00:00Z", "--until", f"2026-03-{days + 1:02d}T00:00:00Z", rows=days * 24)
        floor = plain(store, "SELECT * FROM noise_1h WHERE device = 'meter-000500'")
        return [result("month-of-hours", "one meter, a month of hours, whole process, slowest of 20", "ms", "≤ 20 ms",
                       max(times), floor, None, {"all": [round(t, 1) for t in times]})]

    def last_night(bench):
        store, _ = month(bench)
        times = asked(bench, "noise", "--store", store, "--step", "1d", "--period", "2026-03-02", rows=METERS)
        floor = plain(store, "SELECT device, ln FROM noise_1d WHERE bucket = ?", generate.DEFAULT_START_MS + 16 * 3_600_000)
        return [result("last-night", "all of 1,000 meters, a night's Ln, whole process, slowest of 20", "ms", "≤ 50 ms",
                       max(times), floor, None, {"all": [round(t, 1) for t in times]})]

    def minute_row(bench):
        recording = bench.recording(bench.messages)
        copy = bench.folder / "minutes.db"
        workloads.replay(bench.ours, recording, keep=copy)
        db = sqlite3.connect(copy)
        (rows,) = db.execute("SELECT count(*) FROM noise_minute").fetchone()
        sizes = {}
        for table in ("noise_minute", "noise_ten_minutes", "noise_twenty_minutes", "noise_hour", "noise_day"):
            (size,) = db.execute("SELECT sum(pgsize) FROM dbstat WHERE name = ?", (table,)).fetchone()
            (count,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
            sizes[table] = {"rows": count, "bytes_a_row": round(size / max(1, count), 1)}
        db.close()
        copy.unlink()
        return [result("minute-row", "bytes on disk a minute row", "B", "≤ 48", sizes["noise_minute"]["bytes_a_row"], None, None,
                       {"tables": sizes, "minutes": rows})]

    return {"month-of-hours": month_of_hours, "last-night": last_night, "minute-row": minute_row}
