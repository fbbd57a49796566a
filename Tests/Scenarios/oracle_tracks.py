"""Tracks of vehicles and cameras computed another way: each hour on its own from sorted readings, distances by Vincenty's
inverse formula on WGS-84 (Survey Review 23, 1975); nothing of Patrol's code."""
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

HOUR, GAP = 3_600_000, 600_000


def geodesic(lat1, lon1, lat2, lon2):
    """Metres; near-antipodal places are not asked about."""
    if lat1 == lat2 and lon1 == lon2:
        return 0.0
    a, f = 6_378_137.0, 1 / 298.257223563
    b = a * (1 - f)
    u1, u2 = (np.arctan((1 - f) * np.tan(np.radians(x))) for x in (lat1, lat2))
    difference = lam = np.radians(lon2 - lon1)
    for _ in range(100):
        sin_sigma = np.hypot(np.cos(u2) * np.sin(lam), np.cos(u1) * np.sin(u2) - np.sin(u1) * np.cos(u2) * np.cos(lam))
        cos_sigma = np.sin(u1) * np.sin(u2) + np.cos(u1) * np.cos(u2) * np.cos(lam)
        sigma = np.arctan2(sin_sigma, cos_sigma)
        sin_alpha = np.cos(u1) * np.cos(u2) * np.sin(lam) / sin_sigma
        cos2 = 1 - sin_alpha ** 2
        mid = cos_sigma - 2 * np.sin(u1) * np.sin(u2) / cos2 if cos2 else 0.0
        c = f / 16 * cos2 * (4 + f * (4 - 3 * cos2))
        before, lam = lam, difference + (1 - c) * f * sin_alpha * (
            sigma + c * sin_sigma * (mid + c * cos_sigma * (2 * mid ** 2 - 1)))
        if abs(lam - before) < 1e-12:
            break
    u = cos2 * (a * a - b * b) / (b * b)
    big = 1 + u / 16384 * (4096 + u * (u * (320 - 175 * u) - 768))
    small = u / 1024 * (256 + u * (u * (74 - 47 * u) - 128))
    delta = small * sin_sigma * (mid + small / 4 * (
        cos_sigma * (2 * mid ** 2 - 1) - small / 6 * mid * (4 * sin_sigma ** 2 - 3) * (4 * mid ** 2 - 3)))
    return float(b * big * (sigma - delta))


def hours_of(times, zone):
    """Start of the local hour of each moment."""
    return [t - (t + round(datetime.fromtimestamp(t / 1000, zone).utcoffset().total_seconds() * 1000)) % HOUR for t in times]


class Hour:
    """A vehicle's hour from the fixes (ts, lat, lon, speed, acc, ignition) before, in and behind it."""

    def __init__(self, start, before, fixes, behind):
        self.start, self.stays = start, []
        self.parts = {}  # minute → distance, moving, idling, stopped, fixes, spikes, top speed
        good = [before] if before and not self.nowhere(before) else []
        self.anchor = good[-1] if good else None
        self.since = good[-1][0] if good else None
        suspect = None
        for fix in fixes:
            if self.is_spike(good, fix):
                if suspect is None or self.is_spike([suspect], fix):
                    suspect = suspect if self.nowhere(fix) else fix
                    self.cell(fix[0])["spikes"] += 1
                    continue
                if good:  # two agree: the one before them was wrong
                    self.stand(good[-1], self.since, good[-1][0])
                good = []
            suspect = None
            cell = self.cell(fix[0])
            cell["fixes"] += 1
            speed = fix[3]
            if speed is None and good and 0 < fix[0] - good[-1][0] <= GAP:
                metres = geodesic(*good[-1][1:3], *fix[1:3])
                speed = metres / (fix[0] - good[-1][0]) * 3600 if metres > self.reach(good[-1], fix) else 0.0
            if speed is not None:
                cell["max_kmh"] = max(cell["max_kmh"], speed)
            if good:
                self.step(good[-1], fix, counts=True)
            else:
                self.anchor, self.since = fix, fix[0]
            good.append(fix)
        if good:
            if behind and behind[0] - good[-1][0] <= GAP and not self.is_spike(good, behind):
                self.step(good[-1], behind, counts=False)
                if self.since < start + HOUR:
                    self.stand(good[-1], self.since, behind[0])
            else:
                self.stand(good[-1], self.since, good[-1][0])

    @staticmethod
    def reach(a, b):
        return max(30 if a[4] is None else a[4], 30 if b[4] is None else b[4])

    @staticmethod
    def nowhere(fix):
        return abs(fix[1]) < 0.01 and abs(fix[2]) < 0.01

    def is_spike(self, good, fix):
        if self.nowhere(fix):
            return True
        if not good:
            return False
        metres, time = geodesic(*good[-1][1:3], *fix[1:3]), fix[0] - good[-1][0]
        return metres > self.reach(good[-1], fix) and (time <= 0 or metres / time * 3600 > 200)

    def cell(self, ts):
        return self.parts.setdefault((ts - self.start) // 60_000, dict.fromkeys(
            ("distance_m", "moving_s", "idling_s", "stopped_s", "fixes", "spikes"), 0) | {"max_kmh": -1.0})

    def step(self, last, fix, counts):
        metres = geodesic(*self.anchor[1:3], *fix[1:3])
        moved = metres > self.reach(self.anchor, fix)
        if moved and counts:
            self.cell(fix[0])["distance_m"] += metres
        if fix[0] - last[0] > GAP:
            self.stand(last, self.since, last[0])
            self.since = fix[0]
        elif moved:
            if metres * 1000 >= fix[0] - self.since:
                self.spread("moving_s", self.since, fix[0])
            else:
                self.stand(last, self.since, last[0])
                self.spread("moving_s", max(self.since, last[0]), fix[0])
            self.since = fix[0]
        elif fix[0] - self.since > 60_000:
            self.stand(last, self.since, fix[0])
            self.since = fix[0]
        if moved:
            self.anchor = fix

    def stand(self, last, start, end):
        self.spread("idling_s" if last[5] else "stopped_s", start, end)

    def spread(self, what, start, end):
        start, end = max(start, self.start), min(end, self.start + HOUR)
        while start < end:
            stop = min(end, start // 60_000 * 60_000 + 60_000)
            self.cell(start)[what] += (stop - start) / 1000
            start = stop


def add(into, values):
    for key, value in values.items():
        into[key] = max(into.get(key, -1.0), value) if key == "max_kmh" else into.get(key, 0) + value


def vehicle_tables(fixes, zone):
    """`fixes`: (device, ts, lat, lon, speed, acc, ignition) of those accepted."""
    zone = ZoneInfo(zone)
    tables = {"vehicle_1m": {}, "vehicle_1h": {}, "vehicle_1d": {}}
    devices = {}
    for device, *fix in fixes:
        devices.setdefault(device, []).append(fix)
    for device, own in devices.items():
        own.sort(key=lambda f: [f[0], f[1], f[2]] + [-1 if v is None else v for v in (f[3], 30 if f[4] is None else f[4], f[5])])
        hours = hours_of([f[0] for f in own], zone)
        edges = [0] + [i for i in range(1, len(own)) if hours[i] != hours[i - 1]] + [len(own)]
        for first, end in zip(edges, edges[1:]):
            start = hours[first]
            before = own[first - 1] if first and start - own[first - 1][0] <= HOUR else None
            behind = own[end] if end < len(own) else None
            hour = Hour(start, before, own[first:end], behind)
            total = {}
            for minute, values in hour.parts.items():
                tables["vehicle_1m"][device, start + minute * 60_000] = values
                add(total, values)
            tables["vehicle_1h"][device, start] = total
            local = datetime.fromtimestamp(start / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
            add(tables["vehicle_1d"].setdefault((device, round(local.timestamp() * 1000)), {}), total)
    return tables


def camera_hours(beats, zone):
    """`beats`: (device, ts, battery, charging, recording, sos) of those accepted."""
    zone = ZoneInfo(zone)
    rows, devices = {}, {}
    for device, *beat in beats:
        devices.setdefault(device, []).append(beat)
    for device, own in devices.items():
        own.sort(key=lambda b: [-1 if v is None else v for v in b])
        hours = hours_of([b[0] for b in own], zone)
        for index, (beat, hour) in enumerate(zip(own, hours)):
            row = rows.setdefault((device, hour), {
                "online_s": 0, "recording_s": 0, "heartbeats": 0, "sos": 0, "battery_start": None, "battery_end": None})
            row["heartbeats"] += 1
            if beat[1] is not None:
                row["battery_start"] = beat[1] if row["battery_start"] is None else row["battery_start"]
                row["battery_end"] = beat[1]
            last = own[index - 1] if index else None
            if beat[4] and not (last and last[4] and hour - last[0] <= HOUR):
                row["sos"] += 1
            if not last or beat[0] - last[0] > 180_000:
                continue
            for h in {hours[index - 1], hour}:
                time = max(0, min(beat[0], h + HOUR) - max(last[0], h)) / 1000
                rows[device, h]["online_s"] += time
                rows[device, h]["recording_s"] += time if last[3] else 0
    return rows
