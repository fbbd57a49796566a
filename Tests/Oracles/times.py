"""What Python's zoneinfo and dateutil say of hours, nights, seasons and recurrences; shares no code with Patrol.

  times.py hours ZONE HH:MM-HH:MM WEEKDAYS SEASON SEED COUNT   a moment in ms and whether it is in, a line each
  times.py recurrences SEED COUNT FOLDER                       writes COUNT calendars n.ics and prints their periods:
                                                               n from until (ms), a line each

WEEKDAYS is digits of ISO weekdays, SEASON is MM-DD..MM-DD or `-`.
"""
import random
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from dateutil import rrule

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(moment):
    return round((moment.astimezone(UTC) - EPOCH) / timedelta(milliseconds=1))


def wall(day, minutes, zone):
    """The moment at which the clock on the wall shows a time: the first of two; the change itself where it is left out."""
    naive = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)
    moment = naive.replace(tzinfo=zone)
    if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == naive:
        return moment.astimezone(UTC)
    # Left out: the first second at which the clock shows something later.
    low, high = moment.astimezone(UTC) - timedelta(hours=4), moment.astimezone(UTC) + timedelta(hours=4)
    while high - low > timedelta(milliseconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).replace(tzinfo=None) < naive:
            low = middle
        else:
            high = middle
    return EPOCH + timedelta(seconds=round((high - EPOCH).total_seconds()))


def hours(name, text, weekdays, season, seed, count):
    zone = ZoneInfo(name)
    start, end = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
    if end <= start:
        end += 1440
    chance = random.Random(seed)

    def chosen(day):
        if str(day.isoweekday()) not in weekdays:
            return False
        if season == "-":
            return True
        first, last = season.split("..")
        here = day.strftime("%m-%d")
        return first <= here <= last if first <= last else here >= first or here <= last

    # The changes of the clock, so that half of the moments lie around them.
    changes = []
    moment = datetime(2017, 12, 31, tzinfo=UTC)
    while moment.year < 2027:
        later = moment + timedelta(hours=1)
        if moment.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            changes.append(later)
        moment = later
    for number in range(count):
        if changes and number % 2:
            moment = chance.choice(changes) + timedelta(seconds=chance.randint(-50 * 3600, 50 * 3600))
        else:
            moment = EPOCH + timedelta(seconds=chance.randint(1_514_764_800, 1_798_761_600))
        if number % 5 == 0:  # on the hour, where things begin and end
            moment = moment.replace(minute=0, second=0)
        day = moment.astimezone(zone).date()
        inside = any(
            chosen(each) and wall(each, start, zone) <= moment < wall(each, end, zone)
            for each in (day + timedelta(days=back) for back in (-2, -1, 0, 1)))
        print(milliseconds(moment), int(inside))


def recurrences(seed, count, folder):
    chance = random.Random(seed)
    names = ["Asia/Shanghai", "Europe/Tallinn", "America/New_York", "Australia/Lord_Howe"]
    days = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
    for number in range(count):
        name = chance.choice(names)
        zone = ZoneInfo(name)
        whole = chance.random() < 0.3
        # Half begin near the end of March or October, so that clocks change within.
        start = datetime(chance.randint(2017, 2023), chance.choice([1, 3, 3, 6, 10, 10]), chance.randint(18, 28),
                         0 if whole else chance.randint(0, 23), 0 if whole else chance.choice([0, 15, 30]))
        if chance.random() < 0.1:
            start = start.replace(year=2020, month=2, day=29)
        length = timedelta(days=chance.randint(1, 3)) if whole else timedelta(minutes=15 * chance.randint(1, 40))
        frequency = chance.choice(["DAILY", "WEEKLY", "YEARLY"])
        parts = [f"FREQ={frequency}"]
        interval = chance.randint(1, 3)
        if interval > 1:
            parts.append(f"INTERVAL={interval}")
        chosen = None
        if frequency != "YEARLY" and chance.random() < 0.5:
            chosen = chance.sample(days, chance.randint(1, 4))
            parts.append("BYDAY=" + ",".join(chosen))
        week_start = chance.choice(["MO", "SU"])
        parts.append(f"WKST={week_start}")
        limit, until = None, None
        if chance.random() < 0.5:
            limit = chance.randint(1, 40)
            parts.append(f"COUNT={limit}")
        else:
            until = start + timedelta(days=chance.randint(0, 400))
            if whole:
                parts.append("UNTIL=" + until.strftime("%Y%m%d"))
            else:
                parts.append("UNTIL=" + until.replace(tzinfo=zone).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ"))
        chance.shuffle(parts)
        # In clock time, as the standard has it; UNTIL compares as the same local time.
        rule = rrule.rrule(
            getattr(rrule, frequency), dtstart=start, interval=interval, count=limit, until=until,
            wkst=getattr(rrule, week_start), byweekday=[getattr(rrule, day) for day in chosen] if chosen else None)
        starts = list(rule)
        left_out = chance.sample(starts, min(len(starts), chance.randint(0, 2)))
        form = "%Y%m%d" if whole else "%Y%m%dT%H%M%S"
        where = ";VALUE=DATE" if whole else f";TZID={name}"
        lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VTIMEZONE", f"TZID:{name}", "BEGIN:STANDARD",
                 "DTSTART:19700101T000000", "TZOFFSETFROM:+0000", "TZOFFSETTO:+0000", "END:STANDARD", "END:VTIMEZONE",
                 "BEGIN:VEVENT", f"UID:{number}@oracle", f"DTSTART{where}:{start.strftime(form)}",
                 f"DTEND{where}:{(start + length).strftime(form)}" if whole else f"DURATION:PT{int(length.total_seconds() // 60)}M",
                 "RRULE:" + ";".join(parts), *(f"EXDATE{where}:{each.strftime(form)}" for each in left_out),
                 "SUMMARY:a title that is long enough\\, so that it is", "  folded", "BEGIN:VALARM", "TRIGGER:-PT15M",
                 "DURATION:PT1M", "END:VALARM", "END:VEVENT", "END:VCALENDAR", ""]
        (Path(folder) / f"{number}.ics").write_text("\r\n".join(lines), encoding="utf-8", newline="")
        home = ZoneInfo("Asia/Shanghai")
        for each in starts:
            if each in left_out:
                continue
            if whole:
                begin, end = each.replace(tzinfo=home), (each + length).replace(tzinfo=home)
            else:
                begin = each.replace(tzinfo=zone).astimezone(UTC)
                end = begin + length
            print(number, milliseconds(begin), milliseconds(end))


def main(arguments):
    if arguments[0] == "hours":
        hours(*arguments[1:5], int(arguments[5]), int(arguments[6]))
    else:
        recurrences(int(arguments[1]), int(arguments[2]), arguments[3])


if __name__ == "__main__":
    main(sys.argv[1:])
