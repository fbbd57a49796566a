"""Every row of every rollup, against NumPy (oracle.py): for the recordings and for seeded synthetic data."""
import json
import random
import sqlite3
import unittest
from datetime import datetime
from zoneinfo import ZoneInfo

import oracle
import oracle_tracks
from support import Folder, patrol, query, recording

TOLERANCE = {"leq": 0.05, "ld": 0.05, "ln": 0.05, "ldn": 0.05, "lden": 0.05, "lmax": 0.05, "lmin": 0.05,
             "l5": 0.1001, "l10": 0.1001, "l50": 0.1001, "l90": 0.1001, "l95": 0.1001}
SECOND_OF = {"noise_1m": 60, "noise_10m": 600, "noise_20m": 1200, "noise_1h": 3600, "noise_1d": 82_800}


class Rollups(Folder):
    def compare(self, store, tables):
        for name, want in tables.items():
            have = {}
            for line in patrol("sql", "--store", store, "--format", "json", f"SELECT * FROM {name}").stdout.splitlines():
                values = json.loads(line)
                have[values["device"], values["flagged"], values["bucket"]] = values
            self.assertEqual(have.keys(), want.keys(), f"rows of {name}")
            for key, row in want.items():
                for column, value in row.items():
                    got = have[key][column]
                    if value is None or got is None:
                        self.assertEqual(got, value, f"{name} {key} {column}")
                        continue
                    allowed = TOLERANCE.get(column, 1 / SECOND_OF[name] if column.endswith("coverage") else 0)
                    self.assertLessEqual(abs(got - value), allowed, f"{name} {key} {column}: {got}, not {value}")
                if have[key]["leq"] is not None:
                    self.assertGreaterEqual(have[key]["l10"], have[key]["l90"])
        self.assertGreater(sum(map(len, tables.values())), 100)

    def replay(self, text, *options):
        path = self.path("recording.txt")
        with open(path, "w") as out:
            out.write(text)
        store = self.path("r.db")
        result = patrol("replay", path, "--into", store, *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return store

    def test_the_street_meters(self):
        """728,347 readings of 123 meters; pairs of one minute with different values; long gaps."""
        source = recording("noise_tallinn_kesklinn.csv.gz")
        store = self.path("r.db")
        result = patrol("replay", source, "--into", store, "--kind", "noise", "--gateway", "city", "--period", "60s")
        self.assertEqual(result.returncode, 0, result.stderr)
        accepted = [(d, ts, 60_000, l, l, l, False) for d, ts, l in query(store, "SELECT device, ts, laeq FROM noise")]
        self.compare(store, oracle.noise_tables(accepted, "Asia/Shanghai"))

    def synthetic(self, seed, zone, start):
        """Three meters over 40 hours: gaps, overlaps, late and repeated readings, all lengths, flags, the last millisecond."""
        dice = random.Random(seed)
        lines, accepted, known = [], [], {}
        begin = round(datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)
        clock = {d: begin for d in ("m1", "m2", "m3")}
        for number in range(12_000):
            device = dice.choice(list(clock))
            clock[device] += dice.choice([1000, 1000, 5000, 10_000, 60_000, 61_003])
            ts = clock[device] - (dice.randrange(5_400_000) if dice.random() < 0.1 else 0)
            if dice.random() < 0.01:
                ts = ts - ts % 86_400_000 + 86_399_999 - 8 * 3_600_000 * (zone == "Asia/Shanghai")
            period = dice.choice([1000, 1000, 1000, 125, 10_000, 60_000, 60_001, 600_000, 900_000, 3_600_000, 7_200_000]
                                 if dice.random() < 0.05 else [1000, 5000])
            level = round(dice.gauss(58, 9), dice.choice([0, 1, 2]))
            reading = {"ts": ts, "laeq": level, "period_s": period / 1000, "seq": number}
            if dice.random() < 0.3:
                reading |= {"lmax": round(level + 5, 1), "lmin": round(level - 5, 1)}
            if dice.random() < 0.02:
                reading["flags"] = dice.choice([["rain"], ["wind", "fault"]])
            for _ in range(2 if dice.random() < 0.05 else 1):
                lines.append(f"patrol/v1/in/g/noise/{device} {json.dumps(reading)}")
            accepted.append((device, ts, period, level, reading.get("lmax", level), reading.get("lmin", level), "flags" in reading))
        return "\n".join(lines) + "\n", accepted

    def check(self, seed, zone, start):
        text, accepted = self.synthetic(seed, zone, start)
        store = self.path("r.db")
        if zone != "Asia/Shanghai":
            # A replay keeps to the zone of the store that it goes into.
            self.replay('patrol/v1/in/g/bodycam/c1 {"ts":1600000000000,"battery":50}\n')
            db = sqlite3.connect(store)
            db.execute("UPDATE rollup_setting SET zone = ?", (zone,))
            db.commit()
            db.close()
        store = self.replay(text)
        self.assertEqual(query(store, "SELECT count(*) FROM noise"), [(len(accepted),)])
        self.compare(store, oracle.noise_tables(accepted, zone))

    def test_synthetic_shanghai_leap_day(self):
        self.check(1, "Asia/Shanghai", "2024-02-28T12:00")

    def test_synthetic_day_of_23_hours(self):
        self.check(2, "Europe/Tallinn", "2022-03-26T18:00")

    def test_synthetic_day_of_25_hours(self):
        self.check(3, "Europe/Tallinn", "2022-10-29T18:00")

    # Looking after the store

    def test_what_differs_from_its_readings_is_found_and_repaired(self):
        text, _ = self.synthetic(5, "Asia/Shanghai", "2024-06-07T12:00")
        text += "".join(
            f'patrol/v1/in/g/vehicle/car {{"ts":{1717730000000 + i * 10_000},"lat":{30 + i / 2000},"lon":120}}\n' for i in range(500))
        store = self.replay(text)
        self.assertIn("are well", patrol("db", "verify", "--store", store).stdout)
        copy = self.path("copy.db")
        self.assertEqual(patrol("db", "backup", copy, "--store", store).returncode, 0)
        self.assertEqual(patrol("db", "backup", copy, "--store", store).returncode, 2, "it exists")
        db = sqlite3.connect(copy)
        db.execute("UPDATE noise_hour SET leq = leq + 1000 WHERE device = 1")
        db.execute("DELETE FROM vehicle_minute")
        db.commit()
        db.close()
        found = patrol("db", "verify", "--store", copy)
        self.assertEqual(found.returncode, 1)
        self.assertRegex(found.stdout, r"noise_1h: \d+ rows differ from their readings, the first that of m")
        self.assertRegex(found.stdout, r"vehicle_1m: \d+ rows differ")
        self.assertNotIn("noise_1m", found.stdout)
        self.assertEqual(patrol("repair", "rollups", "--store", copy).returncode, 0)
        self.assertEqual(patrol("db", "verify", "--store", copy).returncode, 0)
        for table in ("noise_1m", "noise_1h", "noise_1d", "vehicle_1m", "vehicle_1d", "vehicle_stop"):
            self.assertEqual(query(copy, f"SELECT * FROM {table} ORDER BY 1, 2, 3"), query(store, f"SELECT * FROM {table} ORDER BY 1, 2, 3"))
        sizes = [json.loads(line) for line in patrol("db", "stats", "--store", store, "--format", "json").stdout.splitlines()]
        self.assertEqual({s["table"]: s["rows"] for s in sizes}["vehicle_raw"], 500)

    def test_questions(self):
        text, _ = self.synthetic(6, "Asia/Shanghai", "2024-06-07T12:00")
        store = self.replay(text)
        night = patrol("query", "noise", "--store", store, "--period", "2024-06-07 night", "--format", "json", "--limit", "1000")
        rows = [json.loads(line) for line in night.stdout.splitlines()]
        begin = round(datetime(2024, 6, 7, 22, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000)
        self.assertTrue(rows and all(begin <= r["bucket"] < begin + 8 * 3_600_000 and r["flagged"] == 0 for r in rows))
        self.assertEqual({r["bucket"] % 600_000 for r in rows}, {0}, "ten minutes, by the length of the period")
        one = patrol("query", "noise", "--store", store, "--period", "2024-06", "--device", "m1", "--step", "1h", "--format", "json", "--limit", "1000")
        self.assertEqual(
            [json.loads(line)["bucket"] for line in one.stdout.splitlines()],
            [b for b, in query(store, "SELECT bucket FROM noise_1h WHERE device = 'm1' AND flagged = 0 ORDER BY bucket")])
        self.assertIn("█", patrol("query", "noise", "--store", store, "--period", "2024-06-07").stdout)
        raw = patrol("query", "readings", "--store", store, "--period", "2024-06-07 night", "--format", "json", "--limit", "1000000")
        wanted = query(store, f"SELECT input FROM noise WHERE ts >= {begin} AND ts < {begin + 8 * 3_600_000} ORDER BY input DESC")
        self.assertTrue(wanted)
        self.assertEqual([(json.loads(line)["input"],) for line in raw.stdout.splitlines()], wanted)
        for arguments, code, words in [
                (["noise", "--period", "noon"], 2, "yesterday"), (["noise", "--device", "m9", "--period", "2024-06-07"], 1, "did you mean 'm"),
                (["noise", "--step", "5m", "--period", "2024-06"], 2, "20m"), (["devices", "--period", "2024"], 2, "--period"),
                (["readings", "--period", "2024", "--since", "1d"], 2, "not both"), (["rejects", "--site", "x"], 2, "--site"),
                (["readings", "--step", "1h"], 2, "of rollups")]:
            wrong = patrol("query", *arguments, "--store", store)
            self.assertEqual(wrong.returncode, code, wrong.stderr)
            self.assertIn(words, wrong.stderr)
        over = patrol("query", "exceedance", "--store", store, "--period", "2024-06-07..2024-06-09", "--format", "json", "--limit", "1000")
        self.assertEqual(over.stdout, "", "no zone, no limit")

    # Vehicles and cameras

    def compare_tracks(self, store, tables):
        for name, want in tables.items():
            have = {}
            for line in patrol("sql", "--store", store, "--format", "json", f"SELECT * FROM {name}").stdout.splitlines():
                values = json.loads(line)
                have[values["device"], values["bucket"]] = values
            self.assertEqual(have.keys(), want.keys(), f"rows of {name}")
            for key, row in want.items():
                for column, value in row.items():
                    got, where = have[key][column], f"{name} {key} {column}"
                    if column == "max_kmh":
                        self.assertAlmostEqual(-1.0 if got is None else got, value, delta=0.01 + abs(value) / 1000, msg=where)
                    elif value is None or got is None:
                        self.assertEqual(got, value, where)
                    else:
                        self.assertAlmostEqual(got, value, delta=1 if column.endswith("_s") else value / 1000 + 0.01, msg=where)

    def test_the_buses(self):
        store = self.path("r.db")
        result = patrol("replay", recording("gps_capmetro_austin.csv.gz"), "--into", store, "--kind", "vehicle", "--gateway", "bus")
        self.assertEqual(result.returncode, 0, result.stderr)
        fixes = query(store, "SELECT device, ts, lat, lon, speed_kmh, acc_m, ignition FROM vehicle")
        self.compare_tracks(store, oracle_tracks.vehicle_tables(fixes, "Asia/Shanghai"))

    def test_the_late_trucks(self):
        store = self.path("r.db")
        result = patrol("replay", recording("gps_fleet_latearrival.csv.gz"), "--into", store, "--kind", "vehicle", "--gateway", "t")
        self.assertEqual(result.returncode, 0, result.stderr)
        fixes = query(store, "SELECT device, ts, lat, lon, speed_kmh, acc_m, ignition FROM vehicle")
        self.compare_tracks(store, oracle_tracks.vehicle_tables(fixes, "Asia/Shanghai"))
        self.assertGreater(query(store, "SELECT count(*) FROM vehicle_stop")[0][0], 0)

    def test_the_phones(self):
        store = self.path("r.db")
        result = patrol("replay", recording("heartbeat_phones.csv.gz"), "--into", store, "--kind", "bodycam", "--gateway", "p")
        self.assertEqual(result.returncode, 0, result.stderr)
        beats = query(store, "SELECT device, ts, battery, charging, recording, sos FROM bodycam")
        self.compare_tracks(store, {"bodycam_1h": oracle_tracks.camera_hours(beats, "Asia/Shanghai")})

    def test_exceedance(self):
        """GB 3096-2008, class 2: 60 dB(A) by day, 50 by night. One loud hour of a quiet day, one loud night and one quiet one."""
        zone = ZoneInfo("Asia/Shanghai")

        def minutes(day, hour, hours, level):
            begin = round(datetime(2024, 6, day, hour, tzinfo=zone).timestamp() * 1000)
            return "".join(f'patrol/v1/in/gw/noise/{meter} {{"ts":{begin + minute * 60_000},"laeq":{level},"period_s":60}}\n'
                           for minute in range(hours * 60) for meter in ("zoned", "unzoned"))

        recording = self.path("levels.txt", "".join([
            minutes(3, 6, 4, 55), minutes(3, 10, 1, 65.5), minutes(3, 11, 11, 55), minutes(3, 22, 8, 53.25), minutes(4, 6, 16, 55),
            minutes(4, 22, 8, 50)]))
        self.path("devices.csv", "id,kind,gateway,zone\nzoned,noise,gw,2\nunzoned,noise,gw,\n")
        store = self.path("r.db")
        config = self.path("patrol.yaml", f"broker: {{ url: mqtt://127.0.0.1 }}\nstore: {{ path: {store} }}\ndevices: devices.csv\n")
        result = patrol("replay", recording, "--into", store, "--config", config)
        self.assertEqual(result.returncode, 0, result.stderr)
        done = patrol("query", "exceedance", "--period", "2024-06-03..2024-06-04", "--store", store, "--format", "json")
        begin = round(datetime(2024, 6, 3, 22, tzinfo=zone).timestamp() * 1000)
        over = [("day hour", begin - 12 * 3_600_000, 65.5, 5.5), ("night", begin, 53.3, 3.3)] + [
            ("night hour", begin + hour * 3_600_000, 53.3, 3.3) for hour in range(8)]
        # The day is 57.1 with its loud hour; a night of 50.0 is at the limit and not over it; without a zone there is no limit.
        self.assertEqual(
            [(row["device"], row["what"], row["start"], row["level"], row["excess"]) for row in map(json.loads, done.stdout.splitlines())],
            [("zoned", *row) for row in over])

    def test_duty(self):
        """Figures of shifts from what two cameras sent, worked out by hand: three nights of a night shift, three days of a day shift."""
        zone = ZoneInfo("Asia/Shanghai")

        def moment(day, hour):
            return round(datetime(2024, 6, day, hour, tzinfo=zone).timestamp() * 1000)

        def beats(camera, begin, end, recording):
            return "".join(f'patrol/v1/in/gw/bodycam/{camera} {{"ts":{ts},"battery":80,"recording":{json.dumps(recording)}}}\n'
                           for ts in range(begin, end + 1, 30_000))

        recording = self.path("beats.txt", "".join([
            beats("cam-1", moment(3, 22), moment(4, 0), True), beats("cam-1", moment(4, 0) + 30_000, moment(4, 2), False),  # half the night
            beats("cam-1", moment(4, 22), moment(5, 6), True),  # all of it
            beats("cam-2", moment(4, 6), moment(4, 12), True),  # half a day of twelve hours
            beats("cam-2", moment(4, 20), moment(4, 23), True)]))  # and off shift, which is no one's duty
        self.path("devices.csv", "id,kind,gateway\ncam-1,bodycam,gw\ncam-2,bodycam,gw\n")
        self.path("units.csv", "id,kind,device,officer,team,areas,shift\nfoot-1,foot,cam-1,李强,夜班,,22:00-06:00\n"
                  "foot-2,foot,cam-2,赵刚,白班,,06:00-18:00\n")
        store = self.path("r.db")
        config = self.path("patrol.yaml", f"broker: {{ url: mqtt://127.0.0.1 }}\nstore: {{ path: {store} }}\ndevices: devices.csv\nunits: units.csv\n")
        result = patrol("replay", recording, "--into", store, "--config", config)
        self.assertEqual(result.returncode, 0, result.stderr)
        done = patrol("query", "duty", "--period", "2024-06-03..2024-06-05", "--store", store, "--format", "json")
        rows = {(row["group"], row["name"]): row for row in map(json.loads, done.stdout.splitlines())}
        # Nights of the 3rd, 4th and 5th: a half, whole, none; recording until the beat behind midnight, 7,230 s of 14,400, and whole.
        night = {"shifts": 3, "shift_h": 24, "online_p10": 0, "online_p50": 0.5, "online_p90": 1, "recording_p50": round(7230 / 14_400, 6)}
        day = {"shifts": 3, "shift_h": 36, "online_p10": 0, "online_p50": 0, "online_p90": 0.5, "recording_p50": 1}
        for group, names in (("officer", ("李强", "赵刚")), ("team", ("夜班", "白班"))):
            for name, wanted in zip(names, (night, day)):
                row = rows.pop((group, name))
                self.assertEqual({column: row[column] for column in wanted}, wanted, name)
        self.assertEqual(rows, {})


if __name__ == "__main__":
    unittest.main()
