"""The store's care under faults: compaction, backup, repair, shrinking, verification and retention are killed at random
moments and run out of room, and a block of compact history is damaged. Each reading of the recording is found exactly once
by `patrol query readings` at any moment, and every rollup is the same again at the end.

SEED=n repeats the moments of a run."""
import concurrent.futures
import glob
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest
from contextlib import closing
from datetime import date, datetime, timedelta, timezone

from support import PATROL, Disk, Flood, Folder, Live, patrol, query, until

SEED = int(os.environ.get("SEED", random.randrange(10**9)))
DAY = 86_400_000
START = 1_717_768_800_000
KINDS = ["noise", "bodycam"]
ROLLUPS = ["noise_1m", "noise_10m", "noise_20m", "noise_1h", "noise_1d", "bodycam_1h", "bodycam_1d"]
# Not in the recording: what comes in meanwhile.
LIVE = "live"
COMPACT = ["db", "compact", "--older-than", "1d"]
REPAIR = ["repair", "rollups"]


def setUpModule():
    """The recording in a store as plain rows, and in one where what is old is compact."""
    print(f"seed {SEED}")
    holder = tempfile.TemporaryDirectory(prefix="patrol-test-")
    unittest.addModuleCleanup(holder.cleanup)
    Care.rows, Care.packed = (os.path.join(holder.name, name) for name in ("rows.db", "packed.db"))
    wanted = {kind: [] for kind in KINDS}
    # Each part fills segments of its own: two of noise and one of cameras, and a rest that stays as rows.
    for part, (first, last, noise, cameras) in enumerate([(0, 25, 17_000, 17_000), (25, 50, 16_500, 0), (50, 60, 500, 500)]):
        lines = []
        for number in range(max(noise, cameras)):
            ts = START + first * DAY + number * (last - first) * DAY // max(noise, cameras)
            if number < noise:
                level = 40 + number % 300 / 10
                lines.append(f'patrol/v1/in/g1/noise/m{number % 3} {{"ts":{ts},"laeq":{level},"seq":{part * 100_000 + number}}}\n')
                wanted["noise"].append((f"m{number % 3}", str(ts), str(part * 100_000 + number), str(level)))
            if number < cameras:
                lines.append(f'patrol/v1/in/g2/bodycam/c{number % 2} {{"ts":{ts + 500},"battery":{90 - number % 50},"officer":"li","boot":{number // 5000}}}\n')
                wanted["bodycam"].append((f"c{number % 2}", str(ts + 500), "", str(90.0 - number % 50)))
        recording = os.path.join(holder.name, "r.txt")
        with open(recording, "w") as file:
            file.writelines(lines)
        patrol("replay", recording, "--into", Care.rows, "--quiet").check_returncode()
    Care.last_line = lines[-1]
    for kind in KINDS:
        Care.readings[kind] = patrol(*asks(kind), "--store", Care.rows).stdout
        columns = Care.readings[kind].splitlines()[0].split(",")
        places = [columns.index(name) for name in ("device", "ts", "seq", "laeq" if kind == "noise" else "battery")]
        have = [tuple(line.split(",")[place] for place in places) for line in Care.readings[kind].splitlines()[:0:-1]]
        if have != wanted[kind]:
            raise AssertionError(f"{kind}: {len(have)} readings of {len(wanted[kind])}, or others")
    Care.rollups = rollups(Care.rows)
    shutil.copy(Care.rows, Care.packed)
    patrol(*COMPACT, "--store", Care.packed).check_returncode()
    [(runs, Care.compact)] = query(Care.packed, "SELECT count(*), sum(gone_rows) FROM history_run")
    if runs != 2 or Care.compact < 49_000:
        raise AssertionError(f"{runs} runs of {Care.compact} readings are not what these tests want")


def asks(kind):
    return ["query", "readings", "--kind", kind, "--limit", "1000000", "--format", "csv"]


def rollups(store):
    return {name: query(store, f"SELECT * FROM {name} WHERE device <> '{LIVE}' ORDER BY device, bucket") for name in ROLLUPS}


def in_store(condition):
    """A moment: as soon as the store has such a row."""
    def holds(store):
        try:
            return query(store, f"SELECT 1 FROM {condition} LIMIT 1") != []
        except sqlite3.OperationalError:
            return False
    return holds


def has_file(pattern):
    """A moment: as soon as a file beside the store has pages in it."""
    return lambda store: any(os.path.getsize(file) > 0 for file in glob.glob(os.path.join(os.path.dirname(store), pattern)))


class Care(Folder):
    # Set by `setUpModule`: stores, how many readings are compact, what `patrol query readings` gives by kind, rows of rollups.
    rows = packed = last_line = rollups = None
    compact, readings = 0, {}

    def setUp(self):
        super().setUp()
        self.dice = random.Random(f"{SEED} {self.id()}")

    def copy(self, source, name="s.db"):
        store = self.path(name)
        for suffix in ["-wal", "-shm", ".lock", ".stream"]:
            if os.path.exists(store + suffix):
                os.unlink(store + suffix)
        shutil.copy(source, store)
        return store

    def assertDone(self, *words):
        result = patrol(*words)
        self.assertEqual((result.returncode, result.stderr), (0, ""), f"seed {SEED}, {words}: {result.stdout}")
        return result.stdout

    def assertReadings(self, store, kind, text, lines=None):
        """`text` is what the query gave for the recording as rows (or `lines` of it)."""
        lines = lines or self.readings[kind].splitlines()
        have = [line for line in text.splitlines() if not line.startswith(LIVE + ",")]
        if have != lines:
            lost, more = set(lines) - set(have), set(have) - set(lines)
            self.fail(f"seed {SEED}, {store}: {kind}: {len(have)} lines for {len(lines)}, {len(lost)} lost {min(lost, default='')}, "
                      f"{len(more)} that were never sent {min(more, default='')}")

    def assertWhole(self, store, *verify):
        """Nothing is lost, nothing is there twice, nothing is damaged, and every rollup is the same."""
        result = self.verified(store, *verify)
        self.assertEqual((result.returncode, result.stderr), (0, ""), f"seed {SEED}: {result.stdout}")
        self.assertRollups(store)

    def verified(self, store, *verify):
        """What verification says; all readings are there."""
        questions = [*map(asks, KINDS), ["db", "verify", *verify]]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            *answers, result = pool.map(lambda words: patrol(*words, "--store", store), questions)
        for kind, answer in zip(KINDS, answers):
            self.assertEqual((answer.returncode, answer.stderr), (0, ""), f"seed {SEED}")
            self.assertReadings(store, kind, answer.stdout)
        return result

    def assertRollups(self, store):
        have = rollups(store)
        for name in ROLLUPS:
            self.assertTrue(have[name] == self.rollups[name],
                            f"seed {SEED}, {store}: {name}: {len(have[name])} rows for {len(self.rollups[name])}, or others")

    def kill(self, words, store, moment):
        """Starts a command and kills it after `moment` seconds, or as soon as `moment(store)` holds; whether it was at work."""
        process = self.start([PATROL, *words, "--store", store])
        if callable(moment):
            while process.poll() is None and not moment(store):
                pass
        else:
            time.sleep(moment)
        process.kill()
        return process.wait() == -signal.SIGKILL

    def kills(self, words, source, stages, count, check):
        """Kills a command at each of the stages, each with a new store, and `count` times at a random moment within the time
        that it takes, going on with what the kill before has left; checks the store after each. At last it runs to its end."""
        began = time.monotonic()
        self.assertDone(*words, "--store", self.copy(source))
        seconds = time.monotonic() - began
        moments = stages + [self.dice.uniform(0.02, 0.8 * seconds) for _ in range(count)]
        self.dice.shuffle(moments)
        store, hits = None, 0
        for moment in moments:
            if store is None or callable(moment):
                store = self.copy(source)
            if self.kill(words, store, moment):
                hits += 1
                check(store)
            else:
                store = None
        print(f"{' '.join(words)}: {hits} of {len(moments)} kills while it was at work")
        self.assertGreater(hits, 0, f"seed {SEED}: it never was at work")
        store = store or self.copy(source)
        self.assertDone(*words, "--store", store)
        return store


class Killed(Care):
    def test_compaction(self):
        store = self.kills(
            COMPACT, self.rows,
            [in_store("history_run WHERE NOT is_verified"), in_store("history_run WHERE is_verified AND gone_id < last_id"),
             in_store("history_run WHERE gone_rows > 0 AND gone_id < last_id")], 1,
            lambda store: self.assertWhole(store, "--quick"))
        self.assertWhole(store)
        self.assertEqual(query(store, "SELECT count(*), sum(gone_rows), min(is_verified) FROM history_run"), [(2, self.compact, 1)])

    def test_backup(self):
        target = self.path("copy.db")
        words = ["db", "backup", target]
        store = self.copy(self.packed)
        began = time.monotonic()
        self.assertDone(*words, "--store", store)
        seconds = time.monotonic() - began
        hits = 0
        for moment in [has_file("copy.db.part"), has_file("copy.db"), *(self.dice.uniform(0.02, 0.8 * seconds) for _ in range(2))]:
            os.unlink(target)
            hits += self.kill(words, store, moment)
            # Under its name only when it is whole.
            if os.path.exists(target):
                self.assertWhole(target, "--quick")
            else:
                self.assertDone(*words, "--store", store)
        print(f"db backup: {hits} of 4 kills while it was at work")
        self.assertGreater(hits, 0, f"seed {SEED}")
        with open(target + ".part", "wb") as file:
            file.write(os.urandom(100_000))
        os.unlink(target)
        self.assertDone(*words, "--store", store)
        self.assertEqual(glob.glob(target + "*"), [target], "what a killed backup has left is still there")
        self.assertWhole(target)

    def test_shrinking(self):
        free = query(self.packed, "PRAGMA freelist_count")[0][0]
        self.assertGreater(free, 100, "nothing to shrink")
        store = self.kills(["db", "shrink"], self.packed, [has_file("s.db-wal")], 1, lambda store: self.assertWhole(store, "--quick"))
        self.assertEqual(query(store, "PRAGMA freelist_count"), [(0,)])
        self.assertLess(os.path.getsize(store), os.path.getsize(self.packed) - 100 * 4096)
        self.assertWhole(store, "--quick")

    def test_verification(self):
        store = self.copy(self.packed)
        self.assertTrue(self.kill(["db", "verify"], store, has_file("s.db.verify-*")))
        self.assertNotEqual(glob.glob(store + ".verify-*"), [])
        self.assertDone("db", "verify", "--store", store)
        self.assertEqual(glob.glob(store + ".verify-*"), [], "what a killed verification has left is still there")

    def test_repair(self):
        def check(store):
            # Rollups may be half computed: then verify says so, and what to do.
            result = self.verified(store)
            told = [line for line in result.stdout.splitlines() if "'patrol repair rollups' computes them again" not in line]
            self.assertEqual(told, [] if result.returncode else ["structure, accounting and rollups are well"], result)
            self.assertEqual(result.returncode == 0, rollups(store) == self.rollups)

        store = self.kills(
            REPAIR, self.packed,
            [in_store("rollup_setting WHERE NOT is_complete"), in_store("rollup_setting WHERE is_complete AND NOT has_tracks")], 1, check)
        self.assertWhole(store, "--quick")

    # A repair that was killed, and what comes next.

    half = staticmethod(in_store("rollup_setting WHERE NOT is_complete AND NOT EXISTS (SELECT 1 FROM noise_minute)"))

    def half_repaired(self, source, moment, *words):
        for _ in range(10):
            store = self.copy(source)
            if self.kill([*REPAIR, *words], store, moment) and moment(store):
                return store
        self.fail(f"seed {SEED}: the moment is over before it is seen")

    def test_compaction_ends_a_repair_first(self):
        store = self.half_repaired(self.rows, self.half)
        self.assertDone(*COMPACT, "--store", store)
        self.assertWhole(store, "--quick")
        self.assertEqual(query(store, "SELECT sum(gone_rows) FROM history_run"), [(self.compact,)])

    def test_a_shorter_repair_ends_the_longer_one(self):
        store = self.half_repaired(self.rows, self.half)
        self.assertDone(*REPAIR, "--from", "2024-08-01", "--store", store)
        self.assertWhole(store, "--quick")

    def test_a_repair_of_the_newest_days_leaves_the_others_alone(self):
        # Killed when noise is done and tracks are not; older readings are in compact history, where it does not look.
        store = self.half_repaired(self.packed, in_store("rollup_setting WHERE is_complete AND NOT has_tracks"), "--from", "2024-08-04")
        self.assertDone("replay", self.path("again.txt", self.last_line), "--into", store, "--quiet")
        self.assertWhole(store, "--quick")


class Kept(Care):
    def test_compact_history_outlives_a_replay_and_an_import(self):
        store = self.copy(self.packed)
        again = self.path("again.txt", self.last_line)
        self.assertDone("replay", again, "--into", store, "--quiet")
        self.assertDone("db", "import", self.path("none.csv", "device,ts,laeq\n"), "--store", store)
        self.assertWhole(store, "--quick")


class NoRoom(Care):
    """A file system of its own, which `fill` fills but for some bytes."""

    def setUp(self):
        super().setUp()
        self.disk = Disk(self, megabytes=32)

    def refused(self, words, store, path, most=400):
        """With no room at all, with some, with some more (KB): it says where and what to do, and has lost nothing."""
        for left in [0, 48, most]:
            self.disk.fill(left << 10)
            before = set(os.listdir(self.disk.path))
            result = patrol(*words, "--store", store)
            self.assertEqual(result.returncode, 5, f"{left} KB: {result}")
            self.assertRegex(result.stderr, f"{path}[^:]*: no room on the disk")
            self.assertIn("make room", result.stderr)
            left_over = set(os.listdir(self.disk.path)) - before
            self.assertLessEqual(left_over, {"s.db-wal", "s.db-shm", "s.db.lock", "s.db.stream"}, "it keeps what it could not end")
            self.disk.make_room()

    def refused_then_done(self, words, source, most=400):
        store = self.copy(source, os.path.join(self.disk.path, "s.db"))
        self.refused(words, store, store, most)
        self.assertDone(*words, "--store", store)
        self.assertWhole(store, "--quick")
        return store

    def test_compaction(self):
        store = self.refused_then_done(COMPACT, self.rows, most=200)
        self.assertEqual(query(store, "SELECT sum(gone_rows) FROM history_run"), [(self.compact,)])

    def test_shrinking(self):
        store = self.refused_then_done(["db", "shrink"], self.packed)
        self.assertEqual(query(store, "PRAGMA freelist_count"), [(0,)])

    def test_repair(self):
        self.refused_then_done(REPAIR, self.packed)

    def test_verification(self):
        self.refused_then_done(["db", "verify"], self.packed)

    def test_backup(self):
        store, target = self.copy(self.packed), os.path.join(self.disk.path, "copy.db")
        self.refused(["db", "backup", target], store, target)
        self.assertDone("db", "backup", target, "--store", store)
        self.assertWhole(target, "--quick")


class Damaged(Care):
    def test_a_block_is_named_and_the_rest_can_be_read(self):
        store = self.copy(self.packed)
        damage, lines = [], {kind: self.readings[kind].splitlines() for kind in KINDS}
        for kind in KINDS:
            blocks = query(
                store, """SELECT d.id, b.day, b.rows, b.bytes, r.gone_id FROM history_block b JOIN history_run r ON r.run = b.id >> 40
                          JOIN device d ON d.number = b.id >> 16 & 16777215 WHERE d.kind = ? AND length(b.bytes) > 100""", kind)
            device, day, rows, content, gone = self.dice.choice(blocks)
            day = date(1970, 1, 1) + timedelta(day)
            self.flip(store, content)
            damage.append(f"compact history of {kind} {device} on {day} (UTC) cannot be read; the rest can")

            def is_in_block(line):
                cells = line.split(",")
                return (cells[0] == device and int(cells[-1]) <= gone
                        and datetime.fromtimestamp(int(cells[1]) / 1000, timezone.utc).date() == day)

            left = lines[kind][:1] + [line for line in lines[kind][1:] if not is_in_block(line)]
            self.assertEqual(len(lines[kind]) - len(left), rows)
            lines[kind] = left
        for more in [[], ["--quick"]]:
            result = patrol("db", "verify", *more, "--store", store)
            self.assertEqual((result.returncode, sorted(result.stdout.splitlines())), (1, sorted(damage)), f"seed {SEED}: {result.stderr}")
        for kind, words in zip(KINDS, damage):
            result = patrol(*asks(kind), "--store", store)
            self.assertEqual((result.returncode, result.stderr), (0, f"patrol: {words}\n"))
            self.assertReadings(store, kind, result.stdout, lines[kind])
        # What needs all of them refuses, and touches nothing.
        result = patrol(*REPAIR, "--store", store)
        self.assertEqual(result.returncode, 5, result.stdout)
        self.assertIn("damaged", result.stderr)
        self.assertRollups(store)

    def test_blocks_that_are_gone_are_missed(self):
        store = self.copy(self.packed)
        with closing(sqlite3.connect(store)) as db, db:
            (gone, rows), = db.execute("SELECT id, rows FROM history_block ORDER BY id LIMIT 1 OFFSET 3")
            db.execute("DELETE FROM history_block WHERE id = ?", (gone,))
        for more in [[], ["--quick"]]:
            result = patrol("db", "verify", *more, "--store", store)
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn(f"lacks blocks with {rows} readings; a backup may have them", result.stdout)
        result = patrol(*REPAIR, "--store", store)
        self.assertEqual((result.returncode, "lacks blocks" in result.stderr), (5, True), result.stderr)
        self.assertRollups(store)

    def flip(self, store, content):
        """Turns some bits of a block over, in the file."""
        with open(store, "r+b") as file:
            data, at = file.read(), 0
            # Not where the block goes on in another page.
            while data.count(content[at:at + 24]) != 1:
                at = self.dice.randrange(16, len(content) - 48)
            file.seek(data.index(content[at:at + 24]) + 8)
            file.write(bytes(byte ^ self.dice.randrange(1, 256) for byte in content[at + 8:at + 12]))


class Retention(Care, Live):
    """As a running Patrol does it, step by step between two batches, while readings come in."""

    starts_patrol = False
    keeps, begun = "compact: off", "history_run"

    def setUp(self):
        super().setUp()
        shutil.copy(self.rows, self.store)
        self.run_patrol()
        self.flood = Flood(self.publisher(), self.soon)
        self.flood.start()

    def more_settings(self):
        return f"retention: {{ raw: 1d, {self.keeps}, minutes: off }}"

    def soon(self, seq):
        time.sleep(0.03)
        return [(f"patrol/v1/in/gw/noise/{LIVE}", '{"ts":%d,"laeq":50,"seq":%d}' % (time.time() * 1000, seq))]

    def killed(self, count, seconds, done, check):
        """Patrol is killed when it has begun, and `count` times within `seconds` of being ready; at last it goes on until it
        is `done`."""
        self.assertTrue(until(lambda: in_store(self.begun)(self.store)), self.said())
        hits = 0
        for number in range(count + 1):
            if number > 0:
                self.run_patrol()
                time.sleep(self.dice.uniform(0, seconds))
            self.kill_patrol()
            hits += not done()
            check()
        print(f"retention ({self.keeps}): {hits} of {count + 1} kills while there was something to do")
        self.assertGreater(hits, 0, f"seed {SEED}")
        self.run_patrol()
        self.assertTrue(until(done, 30), f"seed {SEED}: {self.said()}")
        self.end()

    def end(self):
        """All that came in meanwhile is there too."""
        self.assertAllStored(self.flood.stop(), LIVE)
        self.stop_patrol()

    def is_packed(self):
        return query(self.store, "SELECT sum(gone_rows) FROM history_run WHERE gone_id = last_id") == [(self.compact,)]


class RetentionPacks(Retention):
    def test_killed(self):
        self.killed(2, 0.8, self.is_packed, lambda: self.assertWhole(self.store, "--quick"))
        self.assertWhole(self.store, "--quick")


class RetentionDeletes(Retention):
    keeps, begun = "compact: 1d", "retention WHERE deleted > 0"

    def check(self):
        self.assertDone("db", "verify", "--quick", "--store", self.store)
        for kind in KINDS:
            have = patrol(*asks(kind), "--store", self.store).stdout
            # The newest come first.
            count = sum(not line.startswith(LIVE) for line in have.splitlines())
            self.assertReadings(self.store, kind, have, self.readings[kind].splitlines()[:count])
        self.assertRollups(self.store)

    def test_killed(self):
        self.killed(1, 0.2, lambda: query(self.store, "SELECT sum(deleted) FROM retention") == [(self.compact,)], self.check)
        self.check()
        self.assertDone("db", "verify", "--store", self.store)


class RetentionWithoutRoom(Retention):
    def store_path(self):
        self.disk = Disk(self, megabytes=32)
        return os.path.join(self.disk.path, "s.db")

    def test_it_waits_for_room(self):
        self.assertTrue(until(lambda: in_store(self.begun)(self.store)), self.said())
        self.disk.fill()
        self.assertTrue(until(lambda: self.ready() == 503), "ready though the disk is full")
        self.assertRegex(self.said(), f"{self.store}: no room on the disk.*make room")
        self.assertFalse(self.is_packed())
        self.disk.make_room()
        self.assertTrue(until(lambda: self.ready() == 200 and self.is_packed(), 40), self.said())
        self.end()
        self.assertWhole(self.store, "--quick")


if __name__ == "__main__":
    unittest.main()
