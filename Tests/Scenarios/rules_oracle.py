"""What rules must have raised over a recording, worked out from the words of the semantics page alone.

Shares no code and no file with the engine. Everything is computed the slow way: a window is the list of readings that lie
in it, a schedule is asked of zoneinfo, a distance is Vincenty's.
"""
import functools
import math
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

NEVER = float("inf")


class Reading:
    def __init__(self, device, ts, period, values):
        self.device, self.ts, self.end, self.period, self.values = device, ts, ts + period, period, values


def awake_since(zone, hours, weekdays, ms, memory={}):
    """(since, until) of the stretch that holds `ms`, None where asleep. A night belongs to the evening on which it starts.
    Clocks change and hours begin on whole quarters: an answer holds for its quarter of an hour."""
    key = (zone, hours, weekdays, ms // 900_000)
    if key not in memory:
        memory[key] = _awake_since(zone, hours, weekdays, ms)
    return memory[key]


def _awake_since(zone, hours, weekdays, ms):
    moment = datetime.fromtimestamp(ms / 1000, timezone.utc).astimezone(zone)
    begin_h, end_h = hours
    for back in (0, 1):
        day = (moment - timedelta(days=back)).date()
        if weekdays and day.isoweekday() not in weekdays:
            continue
        begin = datetime(day.year, day.month, day.day, begin_h, tzinfo=zone)
        last = day if end_h > begin_h else day + timedelta(days=1)
        end = datetime(last.year, last.month, last.day, end_h, tzinfo=zone)
        if begin.timestamp() * 1000 <= ms < end.timestamp() * 1000:
            return int(begin.timestamp() * 1000), int(end.timestamp() * 1000)
    return None


def day_or_night(zone, ms):
    """(is it night 22-06, since when)"""
    night = awake_since(zone, (22, 6), None, ms)
    return (True, night[0]) if night else (False, awake_since(zone, (6, 22), None, ms)[0])


class Window:
    """Readings of the step that holds the newest one's end and of the nineteen steps before it."""

    def __init__(self, length):
        self.step, self.length, self.readings, self.newest = length // 20, length, [], 0

    def add(self, reading, value):
        self.newest = max(self.newest, (reading.end - 1) // self.step)
        self.readings.append((reading.ts, reading.end, value))
        begin = (self.newest - 19) * self.step
        if self.readings[0][1] <= begin:
            self.readings = [r for r in self.readings if r[1] > begin]

    def parts(self, since):
        """(ms, value) of each reading within the window, of those of it that lie in steps which begin at `since` or after"""
        begin = max((self.newest - 19) * self.step, -(-since // self.step) * self.step)
        end = (self.newest + 1) * self.step
        return [(min(e, end) - max(ts, begin), v) for ts, e, v in self.readings if e > begin and ts < end]

    @staticmethod
    def leq(parts):
        return rounded(10 * math.log10(sum(p * ENERGY(v) for p, v in parts) / sum(p for p, _ in parts)))

    @staticmethod
    def mean(parts):
        return rounded(sum(p * v for p, v in parts) / sum(p for p, _ in parts))

    @staticmethod
    def highest(parts):
        return max(v for _, v in parts)


@functools.cache
def ENERGY(level):
    return 10 ** (level / 10)


def rounded(value):
    return math.floor(value * 100 + 0.5) / 100


class Level:
    """above or below a level, with hysteresis"""

    def __init__(self, key, level, above=True, clear=None):
        self.key, self.level, self.above, self.clear = key, level, above, clear

    def see(self, reading, since, ends):
        value = reading.values.get(self.key)
        if value is None:
            return None
        return self.judge(value)

    def judge(self, value):
        over = value > self.level if self.above else value < self.level
        if self.clear is None:
            return over, not over
        return over, (value < self.clear if self.above else value > self.clear)


class Windowed(Level):
    def __init__(self, key, fold, length, level, above=True, coverage=0.75, clear=None, limits=None, zone=None):
        super().__init__(key, level, above, clear)
        self.window, self.fold, self.coverage, self.limits, self.zone = Window(length), fold, coverage, limits, zone

    def see(self, reading, since, ends):
        value = reading.values.get(self.key)
        if value is None:
            return None
        self.window.add(reading, value)
        if self.limits:
            night, start = day_or_night(self.zone, reading.ts)
            self.level, since = self.limits[night], max(since, start)
        parts = self.window.parts(since)
        covered = sum(p for p, _ in parts)
        if covered < math.ceil(self.window.length * self.coverage) or not covered:
            return False, False
        return self.judge(getattr(self.window, self.fold)(parts))


class Rate(Level):
    def __init__(self, key, per, level, above=True):
        super().__init__(key, level, above)
        self.per, self.last = per, None

    def see(self, reading, since, ends):
        value = reading.values.get(self.key)
        if value is None:
            return None
        last, self.last = self.last, (reading.ts, value)
        if last is None or reading.ts <= last[0]:
            return False, False
        return self.judge((value - last[1]) * self.per / (reading.ts - last[0]))


class Count(Level):
    def __init__(self, inner, length, level, each=False):
        super().__init__(None, level)
        self.inner, self.step, self.times, self.newest, self.held, self.each = inner, length // 20, [], 0, False, each
        self.last = (False, False)

    def see(self, reading, since, ends):
        seen = self.inner.see(reading, since, ends)
        if seen is not None:
            self.last = seen
        over = self.last[0]
        number = reading.ts // self.step
        self.newest = max(self.newest, number)
        if over and (self.each or not self.held) and number > self.newest - 20:
            self.times.append(number)
        self.held = over
        self.times = [t for t in self.times if t > self.newest - 20]
        return self.judge(len([t for t in self.times if t >= -(-since // self.step)]))


class Implied(Level):
    def __init__(self, level):
        super().__init__(None, level)
        self.last = None

    def see(self, reading, since, ends):
        here = (reading.values["lat"], reading.values["lon"])
        last, self.last = self.last, (reading.ts, here)
        if last is None or reading.ts <= last[0]:
            return None
        return self.judge(metres(last[1], here) * 3600 / (reading.ts - last[0]))


class Side:
    """inside, outside, entered or left of a box (south, west, north, east)"""

    def __init__(self, box, what, after=0):
        self.box, self.what, self.after, self.settled, self.trial = box, what, after, None, None

    def see(self, reading, since, ends):
        south, west, north, east = self.box
        inside = south < reading.values["lat"] < north and west < reading.values["lon"] < east
        changed = False
        if self.settled is None or inside == self.settled:
            self.settled, self.trial = inside, None
        else:
            if self.trial is None:
                self.trial = reading.ts
            if reading.ts - self.trial >= self.after:
                self.settled, self.trial, changed = inside, None, True
        over = {"inside": self.settled, "outside": not self.settled, "entered": changed and self.settled,
                "left": changed and not self.settled}[self.what]
        return over, not over


class Tree:
    """all or any of leaves and of their opposites; a leaf keeps what was known of it last"""

    def __init__(self, what, *parts):
        self.what, self.parts, self.known = what, parts, [None] * len(parts)

    def see(self, reading, since, ends):
        touched = False
        for index, (_, leaf) in enumerate(self.parts):
            seen = leaf.see(reading, since, ends)
            if seen is not None:
                self.known[index], touched = seen, True
        if not touched:
            return None

        def truths(firing):
            for (negated, _), seen in zip(self.parts, self.known):
                if seen is None or seen == (False, False):
                    yield None
                else:
                    truth = (not seen[1]) if firing else seen[0]
                    yield truth != negated

        def fold(truths):
            truths = list(truths)
            if self.what == "all":
                return False if False in truths else None if None in truths else True
            return True if True in truths else None if None in truths else False

        return fold(truths(False)) is True, fold(truths(True)) is False


class Rule:
    """One rule at one device."""

    def __init__(self, leaf=None, hold=0, hours=None, weekdays=None, zone=None, keep=0, resolve_after=None, cool=0, absent=None):
        self.leaf, self.hold, self.hours, self.weekdays, self.zone = leaf, hold, hours, weekdays, zone
        self.keep, self.resolve_after, self.cool, self.absent = keep, resolve_after, cool, absent
        self.start = self.fired = self.clear_since = None
        self.cool_until, self.heard, self.ends = -NEVER, None, NEVER
        self.out, self.silent = [], False

    # What time alone does, in its order.
    def due(self):
        if self.start is None and not self.absent:
            return NEVER
        times = []
        if self.absent and self.heard is not None and not self.silent:
            times.append(self.heard + self.absent)
        if self.start is not None and self.hours:
            times.append(self.ends)
        if self.fired is not None:
            if self.clear_since is not None:
                times.append(self.clear_since + self.keep)
            if self.resolve_after:
                times.append(self.heard + self.resolve_after)
        return min(times, default=NEVER)

    def advance(self, clock):
        while self.due() <= clock:
            at = self.due()
            if self.start is not None and self.hours and self.ends <= at:
                self.end(at)
            if self.fired is not None and (
                    (self.clear_since is not None and self.clear_since + self.keep <= at)
                    or (self.resolve_after and self.heard + self.resolve_after <= at)):
                self.end(at)
            if self.absent and not self.silent and self.heard + self.absent <= at:
                self.silent, self.start, self.fired = True, at, at

    def end(self, at):
        if self.fired is not None:
            self.out.append((self.start, self.fired, at))
            self.cool_until = at + self.cool
        self.start = self.fired = self.clear_since = None

    def take(self, reading, before_end, clock):
        self.advance(clock)
        since = 0
        if self.hours:
            stretch = awake_since(self.zone, self.hours, self.weekdays, reading.ts)
            if stretch is None:
                return
            since, self.ends = stretch
        self.heard = clock
        if self.absent:
            if self.silent:
                self.silent = False
                self.end(reading.ts)
            return
        seen = self.leaf.see(reading, since, self.ends)
        if seen is None:
            return
        over, cleared = seen
        if self.fired is not None:
            if not cleared:
                self.clear_since = None
            elif not self.keep:
                self.end(reading.ts)
            elif self.clear_since is None:
                self.clear_since = reading.ts
        elif not over:
            self.start = None
        elif self.start is None and reading.ts < self.cool_until:
            pass
        else:
            if self.start is None or reading.ts - before_end > max(2 * reading.period, 10_000):
                self.start = reading.ts
            if reading.end - self.start >= self.hold:
                self.fired = reading.end


def run(readings, rules):
    """{(rule, device, started, fired, resolved or None)} of readings in the order of arrival, `rules` by name: a function
    that makes a Rule. The clock is the running maximum of ts."""
    state, before, clock, seen = {}, {}, 0, set()
    for reading in readings:
        identity = (reading.device, reading.ts, tuple(sorted(reading.values.items())))
        clock = max(clock, reading.ts)
        if identity in seen:
            continue
        seen.add(identity)
        device = reading.device
        if device not in state:
            state[device] = {name: make() for name, make in rules.items()}
        newest = before.get(device, (0, 0))
        for rule in state[device].values():
            rule.take(reading, newest[1], clock)
        if reading.ts >= newest[0]:
            before[device] = (reading.ts, reading.end)
    result = set()
    for device, own in state.items():
        for name, rule in own.items():
            rule.advance(clock)
            result |= {(name, device, *times) for times in rule.out}
            if rule.fired is not None:
                result.add((name, device, rule.start, rule.fired, None))
    return result


def metres(a, b):
    """Vincenty's inverse on WGS-84."""
    if a == b:
        return 0.0
    major, f = 6378137.0, 1 / 298.257223563
    minor = major * (1 - f)
    u1, u2 = (math.atan((1 - f) * math.tan(math.radians(p[0]))) for p in (a, b))
    length = lam = math.radians(b[1] - a[1])
    for _ in range(100):
        sin_s = math.hypot(math.cos(u2) * math.sin(lam),
                           math.cos(u1) * math.sin(u2) - math.sin(u1) * math.cos(u2) * math.cos(lam))
        if sin_s == 0:
            return 0.0
        cos_s = math.sin(u1) * math.sin(u2) + math.cos(u1) * math.cos(u2) * math.cos(lam)
        sigma = math.atan2(sin_s, cos_s)
        sin_a = math.cos(u1) * math.cos(u2) * math.sin(lam) / sin_s
        cos2_a = 1 - sin_a ** 2
        cos_2m = cos_s - 2 * math.sin(u1) * math.sin(u2) / cos2_a if cos2_a else 0.0
        c = f / 16 * cos2_a * (4 + f * (4 - 3 * cos2_a))
        last, lam = lam, length + (1 - c) * f * sin_a * (
            sigma + c * sin_s * (cos_2m + c * cos_s * (2 * cos_2m ** 2 - 1)))
        if abs(lam - last) < 1e-12:
            break
    u = cos2_a * (major ** 2 - minor ** 2) / minor ** 2
    big_a = 1 + u / 16384 * (4096 + u * (-768 + u * (320 - 175 * u)))
    big_b = u / 1024 * (256 + u * (-128 + u * (74 - 47 * u)))
    delta = big_b * sin_s * (cos_2m + big_b / 4 * (cos_s * (2 * cos_2m ** 2 - 1)
                             - big_b / 6 * cos_2m * (4 * sin_s ** 2 - 3) * (4 * cos_2m ** 2 - 3)))
    return minor * big_a * (sigma - delta)
