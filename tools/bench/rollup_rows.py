"""Rows on what the rollups cost and how fast they answer."""
import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import time

import generate
import workloads
from processes import COUNT, PatrolSubscriber, Process, open_reader, wait_stored
from toolchain import BenchError

DAYS, METERS = 30, 1000
# Readings/s that arrive while questions are asked.
RATE = 20_000


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


def asked_while_running(bench, store, question, rows, rate, questions):
    """Milliseconds of a question over HTTP on one connection, page by page, one in 20 ms, while `rate` readings/s arrive."""
    seconds = questions / 50
    with bench.store() as copy:
        shutil.copy(store, copy)
        before = copy.parent / "before.txt"
        before.write_text(f'{generate.topic(0)} {{"ts":{int(time.time() * 1000)},"laeq":50}}\n', encoding="ascii")
        with Process([bench.tools / "latency", "-", before, 1, rate, round(2 * seconds), rate, "-", "-", "no answer"]) as stub, \
                contextlib.closing(open_reader(copy)) as db:
            def stored():
                return db.execute(COUNT).fetchone()[0]

            at_rest = stored()
            # What is in the store was sent lately: nothing of it is past its time.
            with PatrolSubscriber(bench, int(stub.line().split()[1]), 1, copy, settings="retention: { raw: off }\n") as patrol:
                patrol.wait_ready()
                while (first := stored()) < at_rest + rate and patrol.is_running():
                    time.sleep(0.01)
                began = time.monotonic()
                connection, times = http.client.HTTPConnection(patrol.http), []
                for number in range(questions):
                    time.sleep(max(0, began + seconds / questions * number - time.monotonic()))
                    took, found, cursor = 0, 0, ""
                    while cursor is not None:
                        begin = time.monotonic()
                        connection.request("GET", f"{question}&limit=5000{cursor and '&cursor=' + cursor}")
                        answer = connection.getresponse().read()
                        took += time.monotonic() - begin
                        page = json.loads(answer)
                        found += len(page.get("items", []))
                        cursor = page.get("next")
                    times.append(took * 1000)
                    if found != rows:
                        raise BenchError(f"{found} rows of {rows}: {answer[:200]}")
                arrived = (stored() - first) / (time.monotonic() - began)
                if arrived < 0.9 * rate:
                    raise BenchError(f"only {arrived:.0f} readings/s were stored meanwhile\n{patrol.tail()}")
        return sorted(times)


def p99(times):
    return times[len(times) * 99 // 100]


def queries(result):
    def month_of_hours(bench):
        store, days = month(bench)
        live = asked_while_running(
            bench, store, f"/api/v1/noise?device=meter-000500&step=1h&since=2026-03-01T00:00:00Z&until=2026-03-{days + 1:02d}T00:00:00Z", days * 24,
            RATE, 500)
        times = asked(bench, "noise", "--store", store, "--device", "meter-000500", "--step", "1h",
                      "--since", "2026-03-01T00:00:00Z", "--until", f"2026-03-{days + 1:02d}T00:00:00Z", rows=days * 24)
        floor = plain(store, "SELECT * FROM noise_1h WHERE device = 'meter-000500'")
        return [result("month-of-hours", f"one meter, a month of hours over HTTP while {RATE:,} readings/s arrive, p99", "ms", "≤ 20 ms",
                       p99(live), floor, None, {"p50": live[len(live) // 2], "slowest": live[-1]}),
                result("month-of-hours-process", "the same by `patrol query`, whole process, median of 20", "ms", "≤ 50 ms",
                       statistics.median(times), floor, None, {"all": [round(t, 1) for t in times]})]

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

    def verify(bench):
        """Four times the messages: of a million a seventh of the time is start and end."""
        copy, taken = bench.folder / "verify.db", []
        workloads.replay(bench.ours, bench.recording(4 * bench.messages), keep=copy)
        for _ in range(bench.rounds):
            begin = time.monotonic()
            subprocess.run([bench.patrol, "db", "verify", "--store", copy], check=True, capture_output=True)
            taken.append(4 * bench.messages / (time.monotonic() - begin) / 1e6)
        copy.unlink()
        return [result("verify", "readings verified with all their rollups", "M/s", "≥ 2", statistics.median(taken), None, None,
                       {"readings": 4 * bench.messages, "rates": taken})]

    def compact(bench):
        """A million readings (and the recordings, where they are) packed at rest: rate, bytes a reading, all of them verified."""
        def packed(store):
            said = subprocess.run([bench.patrol, "db", "compact", "--older-than", "0s", "--store", store], check=True,
                                  capture_output=True, text=True).stdout
            found = re.search(r"(\d+) readings packed in ([\d.]+) s; .* ([\d.]+) B each", said)
            if not found:
                raise BenchError(said)
            return int(found[1]), float(found[2]), float(found[3])

        copy = bench.folder / "compact.db"
        workloads.replay(bench.ours, bench.recording(bench.messages), keep=copy)
        floor = plain(copy, "SELECT count(*), sum(ts), sum(laeq), sum(lag), sum(device) FROM noise_raw")
        rows, seconds, each = packed(copy)
        copy.unlink()
        result_rows = [
            result("compact", "readings packed at rest, read back and their rows deleted", "M/s", "≥ 2", rows / seconds / 1e6,
                   rows / floor / 1e3, None, {"readings": rows, "bytes_a_reading": each}),
        ]
        data = pathlib.Path(os.environ.get("PATROL_DATA", "/nonexistent"))
        for file, kind, most in (("noise_tallinn_kesklinn.csv.gz", "noise", 4), ("gps_capmetro_austin.csv.gz", "vehicle", 12)):
            if not (data / file).exists():
                continue
            store = bench.folder / "recorded.db"
            subprocess.run([bench.patrol, "replay", data / file, "--into", store, "--kind", kind, "--period", "60s", "--quiet"], check=True,
                           stdout=subprocess.DEVNULL)
            rows, _, each = packed(store)
            result_rows.append(result(f"compact-{kind}", f"bytes on disk a reading of {file}", "B", f"≤ {most}", each, None, None, {"readings": rows}))
            for path in bench.folder.glob("recorded.db*"):
                path.unlink()
        return result_rows

    def compact_ingest(bench):
        """A flood at QoS 1 while a million old readings are packed, and while there is nothing to pack; the rest is the same."""
        old = bench.folder / "old.db"
        workloads.replay(bench.ours, bench.recording(bench.messages), keep=old)
        recording = bench.recording(3 * bench.messages, live=True)

        def flood(retention, packs):
            with bench.store() as store:
                shutil.copy(old, store)
                with Process([bench.tools / "stub_broker", recording.path, 1, workloads.QOS1_WINDOW]) as stub, \
                        PatrolSubscriber(bench, int(stub.line().split()[1]), 1, store, settings=f"retention: {{ raw: {retention} }}\n") as patrol:
                    stub.json_line()
                    wait_stored(store, bench.messages + recording.readings, patrol, interval_seconds=0.05)
                    seconds = stub.json_line()["seconds"]
                    patrol.stop(check=True)
                with contextlib.closing(sqlite3.connect(store)) as db:
                    (packed,) = db.execute("SELECT coalesce(sum(rows), 0) FROM history_run WHERE is_verified").fetchone()
                if (packed > 0) != packs:
                    raise BenchError(f"{packed} readings were packed meanwhile")
                return recording.readings / seconds, packed

        busy, idle = [], []
        for _ in range(bench.rounds):
            busy.append(flood("30d", True))
            idle.append(flood("off", False))
        old.unlink()
        ours, alone = (statistics.median(rate for rate, _ in taken) for taken in (busy, idle))
        return [result("compact-ingest", "a flood at QoS 1 while old readings are packed, against alone", "readings/s", "≥ 0.95 ×", ours, alone,
                       ours / alone, {"packed": [packed for _, packed in busy], "rates": [[round(r) for r, _ in taken] for taken in (busy, idle)]})]

    def raw_day(bench):
        """A day of a meter's minutes among those of 100 meters, plain and compact."""
        recording, store = bench.folder / "days.txt", bench.folder / "days.db"
        levels = generate.walk(random.Random(5))
        days = 3
        with open(recording, "w", encoding="ascii") as out:
            for minute in range(days * 1440):
                ts = generate.DEFAULT_START_MS + minute * 60_000
                out.write("".join(
                    f'{generate.topic(d)} {{"ts":{ts + d},"laeq":{levels[(minute + 31 * d) % generate.WALK_STEPS] / 10},"period_s":60}}\n'
                    for d in range(100)))
        subprocess.run([bench.patrol, "replay", recording, "--into", store, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        begin, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((generate.DEFAULT_START_MS + d * 86_400_000) / 1000)) for d in (1, 2))
        rate, result_rows = 50, []

        def ask(name, title, most):
            live = asked_while_running(
                bench, store, f"/api/v1/readings?kind=noise&device=meter-000050&since={begin}&until={end}", 1440, rate, 200)
            times = asked(bench, "readings", "--store", store, "--device", "meter-000050", "--since", begin, "--until", end, rows=1440)
            result_rows.extend([
                result(name, f"one meter, one day of readings{title} over HTTP while {rate:,} readings/s arrive, p99", "ms", f"≤ {most} ms",
                       p99(live), None, None, {"p50": live[len(live) // 2], "slowest": live[-1]}),
                result(f"{name}-process", "the same by `patrol query`, whole process, median of 20", "ms", "≤ 50 ms",
                       statistics.median(times), None, None, {"all": [round(t, 1) for t in times]})])

        ask("raw-day", "", 20)
        subprocess.run([bench.patrol, "db", "compact", "--older-than", "0s", "--store", store], check=True, stdout=subprocess.DEVNULL)
        ask("compact-day", " out of compact history", 40)
        for path in bench.folder.glob("days.*"):
            path.unlink()
        return result_rows

    def report(bench):
        """The year of one meter among ten as a page, whole process."""
        recording, store = bench.folder / "year.txt", bench.folder / "year.db"
        levels = generate.walk(random.Random(3))
        with open(recording, "w", encoding="ascii") as out:
            for hour in range(365 * 24):
                ts = generate.DEFAULT_START_MS + hour * 3_600_000
                out.write("".join(
                    f'{generate.topic(d)} {{"ts":{ts},"laeq":{levels[(hour + 31 * d) % generate.WALK_STEPS] / 10},"period_s":3600}}\n'
                    for d in range(10)))
        subprocess.run([bench.patrol, "replay", recording, "--into", store, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        first = time.strftime("%Y-%m-%d", time.gmtime(generate.DEFAULT_START_MS / 1000))
        last = time.strftime("%Y-%m-%d", time.gmtime(generate.DEFAULT_START_MS / 1000 + 364 * 86_400))
        begin = time.monotonic()
        page = subprocess.run([bench.patrol, "report", "noise", "--device", "meter-000005", "--period", f"{first}..{last}", "--format", "html",
                               "--store", store], check=True, capture_output=True, text=True).stdout
        seconds = time.monotonic() - begin
        for path in bench.folder.glob("year.*"):
            path.unlink()
        if page.count("<svg") != 5:
            raise BenchError(page[:300])
        return [result("year-report", "a year of a meter as a page, whole process", "s", "≤ 2", seconds, None, None, {"bytes": len(page)})]

    return {"month-of-hours": month_of_hours, "last-night": last_night, "minute-row": minute_row, "compact": compact, "verify": verify,
            "compact-ingest": compact_ingest, "raw-day": raw_day, "year-report": report}
