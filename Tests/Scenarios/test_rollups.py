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


if __name__ == "__main__":
    unittest.main()
