"""The rollups computed another way: NumPy on the readings as they were sent, nothing of Patrol's code. Each function takes
columns of accepted readings and gives rows as dictionaries by (device, flagged, bucket)."""
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

SPANS = {"noise_1m": 60_000, "noise_10m": 600_000, "noise_20m": 1_200_000, "noise_1h": 3_600_000}
HOUR = 3_600_000


def moment(day, milliseconds, zone):
    """Of a local date, the moment at which the clock shows so much after midnight (the first where it does twice)."""
    local = datetime(day.year, day.month, day.day) + timedelta(milliseconds=milliseconds)
    return round(local.replace(tzinfo=zone).timestamp() * 1000)


def union(starts, ends):
    """Length of the union of intervals."""
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], ends[order]
    reach = np.maximum.accumulate(ends)
    before = np.concatenate(([starts[0]], reach[:-1]))
    return int(np.maximum(0, ends - np.maximum(starts, before)).sum())


def leq(levels, durations):
    return 10 * np.log10((durations * 10 ** (levels / 10)).sum() / durations.sum())


def row(levels, lmax, lmin, starts, ends, length):
    """Of the parts of readings that lie in a bucket."""
    durations = ends - starts
    bins = np.floor(np.abs(np.rint(levels * 1000) / 100) + 0.5) * np.sign(levels)
    order = np.argsort(-bins, kind="stable")
    reached = np.cumsum(durations[order])

    def exceeded(percent):
        return float(bins[order][np.searchsorted(reached * 100, percent * reached[-1])]) / 10

    return {
        "leq": float(leq(levels, durations)), "lmax": float(lmax.max()), "lmin": float(lmin.min()),
        **{f"l{n}": exceeded(n) for n in (5, 10, 50, 90, 95)},
        "coverage": union(starts, ends) / length, "samples": len(levels)}


class Noise:
    """Accepted readings of one device and one set (flagged or not), as arrays; times in ms."""

    def __init__(self, ts, period, laeq, lmax=None, lmin=None):
        self.ts, self.period = np.asarray(ts, np.int64), np.asarray(period, np.int64)
        self.laeq = np.asarray(laeq, float)
        self.lmax = self.laeq if lmax is None else np.asarray(lmax, float)
        self.lmin = self.laeq if lmin is None else np.asarray(lmin, float)

    def within(self, start, end):
        """Which readings have a part in start…end and are no longer than it, and these parts."""
        chosen = (self.ts < end) & (self.ts + self.period > start) & (self.period <= end - start)
        return chosen, np.maximum(self.ts[chosen], start), np.minimum(self.ts[chosen] + self.period[chosen], end)

    def row(self, start, end):
        chosen, starts, ends = self.within(start, end)
        if not chosen.any():
            return None
        return row(self.laeq[chosen], self.lmax[chosen], self.lmin[chosen], starts, ends, end - start)

    def rows(self, width):
        """Of all buckets of a width, by sorted runs, so that a year of minutes does not take one."""
        first = self.ts // width
        last = (self.ts + self.period - 1) // width
        fits = self.period <= width
        result = {}
        index = np.concatenate((np.flatnonzero(fits), np.flatnonzero(fits & (last > first))))
        buckets = np.concatenate((first[fits], last[fits & (last > first)]))
        order = np.argsort(buckets, kind="stable")
        index, buckets = index[order], buckets[order]
        edges = np.flatnonzero(np.diff(buckets)) + 1
        for part, bucket in zip(np.split(index, edges), buckets[np.concatenate(([0], edges))] if len(buckets) else []):
            start = int(bucket) * width
            starts = np.maximum(self.ts[part], start)
            ends = np.minimum(self.ts[part] + self.period[part], start + width)
            result[start] = row(self.laeq[part], self.lmax[part], self.lmin[part], starts, ends, width)
        return result

    def level(self, start, end):
        chosen, starts, ends = self.within(start, end)
        if not chosen.any():
            return None, 0.0
        return float(leq(self.laeq[chosen], ends - starts)), union(starts, ends) / (end - start)

    def days(self, zone, day=6, night=22, lden=(7, 19, 23)):
        """Ld is of the date, Ln of the night that starts in its evening."""
        result = {}
        if not len(self.ts):
            return result
        date = datetime.fromtimestamp(self.ts.min() / 1000, zone).date() - timedelta(days=1)
        end = (self.ts + self.period).max()
        while (start := moment(date, 0, zone)) < end:
            tomorrow = date + timedelta(days=1)
            values = self.row(start, moment(tomorrow, 0, zone)) or {"samples": 0, "coverage": 0.0}
            ld, values["ld_coverage"] = self.level(moment(date, day * HOUR, zone), moment(date, night * HOUR, zone))
            ln, values["ln_coverage"] = self.level(moment(date, night * HOUR, zone), moment(tomorrow, day * HOUR, zone))
            edges = [moment(date, h * HOUR, zone) for h in lden] + [moment(tomorrow, lden[0] * HOUR, zone)]
            parts = [self.level(a, b)[0] for a, b in zip(edges, edges[1:])]
            values["ld"], values["ln"], values["ldn"], values["lden"] = ld, ln, None, None
            if ld is not None and ln is not None:
                values["ldn"] = 10 * np.log10(
                    ((night - day) * 10 ** (ld / 10) + (24 - night + day) * 10 ** ((ln + 10) / 10)) / 24)
            if None not in parts:
                hours = (lden[1] - lden[0], lden[2] - lden[1], 24 - lden[2] + lden[0])
                values["lden"] = 10 * np.log10(
                    sum(h * 10 ** ((l + p) / 10) for h, l, p in zip(hours, parts, (0, 5, 10))) / 24)
            if values["samples"] or ld is not None or ln is not None or any(p is not None for p in parts):
                result[start] = values
            date = tomorrow
        return result


def noise_tables(readings, zone):
    """`readings`: (device, ts, period_ms, laeq, lmax, lmin, is_flagged) of those that were accepted. All rows of all tables."""
    zone = ZoneInfo(zone)
    sets = {}
    for device, *values, flagged in readings:
        sets.setdefault((device, int(flagged)), []).append(values)
    tables = {name: {} for name in (*SPANS, "noise_1d")}
    for (device, flagged), values in sets.items():
        noise = Noise(*zip(*values))
        for name, width in SPANS.items():
            tables[name].update({(device, flagged, b): r for b, r in noise.rows(width).items()})
        tables["noise_1d"].update({(device, flagged, b): r for b, r in noise.days(zone).items()})
    return tables
