#!/usr/bin/env python3
"""Writes a recording of noise meters, one message a line as `mosquitto_sub -v` prints it.

Every meter measures once a second; levels are a bounded random walk in tenths of a dB(A) around a level of its own.
The same arguments give the same bytes."""
import argparse
import random
import sys

GATEWAY_DEVICES = 10_000
# 2026-03-01T00:00:00Z, an instant of no meaning
DEFAULT_START_MS = 1_772_323_200_000
WALK_STEPS = 8191  # prime, so that no two meters walk in step


def topic(device):
    return f"patrol/v1/in/gw-{device // GATEWAY_DEVICES:02d}/noise/meter-{device:06d}"


def walk(generator):
    """Levels in tenths of a dB: a mean-reverting walk between 35 and 69 dB (under the level of the alert rule)."""
    level, levels = 520, []
    for _ in range(WALK_STEPS):
        level += generator.randint(-12, 12) + (520 - level) // 40
        level = min(690, max(350, level))
        levels.append(level)
    return levels


def write(out, messages, devices=1000, start_ms=DEFAULT_START_MS, seed=1, array=1, full=False):
    """`messages` lines; with `array` > 1 each holds so many consecutive seconds of one meter."""
    levels = walk(random.Random(seed))
    texts = [f"{level // 10}.{level % 10}" for level in range(2000)]
    heads = [f'{topic(device)} {"[" if array > 1 else ""}' for device in range(devices)]
    offsets = [random.Random(seed * 1_000_003 + device).randrange(WALK_STEPS) for device in range(devices)]

    def reading(ts, second, offset):
        level = levels[(offset + second) % WALK_STEPS]
        more = ""
        if full:
            more = f',"lmax":{texts[level + 31]},"lmin":{texts[level - 42]},"battery":{100 - second // 600 % 80}'
        return f'{{"ts":{ts},"laeq":{texts[level]}{more},"seq":{second + 1}}}'

    second, left = 0, messages
    tail = "]\n" if array > 1 else "\n"
    while left > 0:
        count = min(left, devices)
        ts = start_ms + second * 1000
        if array == 1 and not full:
            # The common case, written out: one format for each line.
            end = f',"seq":{second + 1}}}\n'
            begin = f'{{"ts":{ts},"laeq":'
            lines = [
                head + begin + texts[levels[(offset + second) % WALK_STEPS]] + end
                for head, offset in zip(heads[:count], offsets)
            ]
        else:
            lines = [
                heads[d]
                + ",".join(reading(ts + i * 1000, second + i, offsets[d]) for i in range(array))
                + tail
                for d in range(count)
            ]
        out.write("".join(lines))
        second += array
        left -= count


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", help="where to write it; - is standard output")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--start-ms", type=int, default=DEFAULT_START_MS, help="ts of the first reading")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--array", type=int, default=1, help="readings in a message")
    parser.add_argument("--full", action="store_true", help="with lmax, lmin and battery")
    a = parser.parse_args()
    if a.file == "-":
        write(sys.stdout, a.messages, a.devices, a.start_ms, a.seed, a.array, a.full)
    else:
        with open(a.file, "w", encoding="ascii") as out:
            write(out, a.messages, a.devices, a.start_ms, a.seed, a.array, a.full)


if __name__ == "__main__":
    main()
