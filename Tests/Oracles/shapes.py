"""What shapely says of shapes and points: an answer to compare with, which shares no code with Patrol.

  shapes.py make SEED COUNT OUT            writes COUNT random fences as GeoJSON
  shapes.py points SEED COUNT FILE         x y and the numbers of the features that hold the point, a line each
  shapes.py rings SEED COUNT               a ring of small whole degrees and whether it is simple, a line each
  shapes.py distances SEED COUNT           lat lon lat lon and metres by Karney's geodesic (geographiclib)

Coordinates count in whole ten-millionths of a degree, as the documentation of fences says; shapely decides on them.
"""
import json
import math
import random
import sys

from shapely.geometry import MultiPolygon, Point, Polygon
from shapely.prepared import prep

UNITS = 10_000_000


def make(seed, count, out):
    chance = random.Random(seed)
    features = []
    for number in range(count):
        lon, lat = chance.uniform(119.7, 120.1), chance.uniform(30.2, 30.5)
        size = chance.uniform(0.001, 0.03)

        def star(scale, corners):
            turns = sorted(chance.uniform(0, 2 * math.pi) for _ in range(corners))
            reach = [chance.uniform(0.6, 1) * size * scale for _ in turns]
            ring = [[lon + r * math.cos(t), lat + r * math.sin(t)] for r, t in zip(reach, turns)]
            return ring + ring[:1]

        while True:
            rings = [star(1, 50)] + ([star(0.3, 12)] if number % 3 == 0 else [])
            shape = Polygon(rings[0], rings[1:])
            if shape.is_valid and shape.area > 0:
                break
        features.append({"type": "Feature", "properties": {"id": f"f{number}", "kind": "yard"},
                         "geometry": {"type": "Polygon", "coordinates": rings}})
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"type": "FeatureCollection", "features": features}, file)


def wgs84(lon, lat):
    """GCJ-02 to WGS-84 by Newton's steps with differences taken numerically."""
    def shifted(lon, lat):
        x, y, pi = lon - 105, lat - 35, math.pi
        s = math.sin
        c = (20 * s(6 * x * pi) + 20 * s(2 * x * pi)) * 2 / 3
        dlat = (-100 + 2 * x + 3 * y + 0.2 * y ** 2 + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + c
                + (20 * s(pi * y) + 40 * s(pi * y / 3)) * 2 / 3 + (160 * s(pi * y / 12) + 320 * s(pi * y / 30)) * 2 / 3)
        dlon = (300 + x + 2 * y + 0.1 * x ** 2 + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + c
                + (20 * s(pi * x) + 40 * s(pi * x / 3)) * 2 / 3 + (150 * s(pi * x / 12) + 300 * s(pi * x / 30)) * 2 / 3)
        a, ee, phi = 6378245.0, 0.00669342162296594323, math.radians(lat)
        m = 1 - ee * s(phi) ** 2
        return (lon + dlon * 180 / (a / math.sqrt(m) * math.cos(phi) * pi),
                lat + dlat * 180 / (a * (1 - ee) / (m * math.sqrt(m)) * pi))

    u, v = lon, lat
    for _ in range(30):
        x, y = shifted(u, v)
        h = 1e-6
        a, c = ((p - q) / h for p, q in zip(shifted(u + h, v), (x, y)))
        b, d = ((p - q) / h for p, q in zip(shifted(u, v + h), (x, y)))
        ex, ey = lon - x, lat - y
        det = a * d - b * c
        u, v = u + (d * ex - b * ey) / det, v + (a * ey - c * ex) / det
        if abs(ex) + abs(ey) < 1e-12:
            break
    return u, v


def fixed(ring, is_gcj):
    places = []
    for lon, lat, *_ in ring:
        if is_gcj:
            lon, lat = wgs84(lon, lat)
        places.append((round(lon * UNITS), round(lat * UNITS)))
    return places


def load(path, is_gcj):
    with open(path, encoding="utf-8") as file:
        features = json.load(file)["features"]
    shapes = []
    for feature in features:
        geometry = feature["geometry"]
        if not geometry:
            shapes.append(Polygon())
            continue
        polygons = geometry["coordinates"]
        if geometry["type"] == "Polygon":
            polygons = [polygons]
        parts = [[fixed(ring, is_gcj) for ring in polygon] for polygon in polygons]
        shapes.append(MultiPolygon([(rings[0], rings[1:]) for rings in parts]))
    return shapes


def points(seed, count, path, is_gcj):
    chance = random.Random(seed)
    shapes = load(path, is_gcj)
    boxes = [shape.bounds for shape in shapes if not shape.is_empty]
    west, south = min(b[0] for b in boxes), min(b[1] for b in boxes)
    east, north = max(b[2] for b in boxes), max(b[3] for b in boxes)
    margin_x, margin_y = (east - west) // 20, (north - south) // 20
    prepared = [prep(shape) for shape in shapes]
    for _ in range(count):
        x = chance.randint(int(west - margin_x), int(east + margin_x))
        y = chance.randint(int(south - margin_y), int(north + margin_y))
        point = Point(x, y)
        inside = []
        for number, shape in enumerate(prepared):
            if shapes[number].is_empty:
                continue
            if shape.contains(point):
                inside.append(str(number))
            elif shape.intersects(point):  # on an edge: the rule decides, not shapely
                inside.append(f"?{number}")
        print(x, y, *inside)


def rings(seed, count):
    chance = random.Random(seed)
    for _ in range(count):
        ring = []
        while len(ring) < chance.randint(3, 7):
            place = (chance.randint(0, 6), chance.randint(0, 6))
            if not ring or place != ring[-1]:
                ring.append(place)
        if ring[0] == ring[-1]:
            continue
        print(int(Polygon(ring).is_valid and Polygon(ring).area > 0), *(f"{x} {y}" for x, y in ring))


def distances(seed, count):
    from geographiclib.geodesic import Geodesic
    chance = random.Random(seed)
    for number in range(count):
        lat, lon = chance.uniform(-70, 70), chance.uniform(-180, 180)
        reach = 10 ** chance.uniform(0, 7.3)
        if number % 2:
            there = Geodesic.WGS84.Direct(lat, lon, chance.uniform(0, 360), reach)
        else:  # near by, around the district
            lat, lon = chance.uniform(30, 31), chance.uniform(119, 121)
            there = Geodesic.WGS84.Direct(lat, lon, chance.uniform(0, 360), min(reach, 1e5))
        # The way there may not be the shortest.
        line = Geodesic.WGS84.Inverse(lat, lon, there["lat2"], there["lon2"])
        print(repr(lat), repr(lon), repr(there["lat2"]), repr(there["lon2"]), repr(line["s12"]))


def main(arguments):
    name, seed, count = arguments[0], int(arguments[1]), int(arguments[2])
    if name == "make":
        make(seed, count, arguments[3])
    elif name == "points":
        points(seed, count, arguments[3], arguments[4:] == ["GCJ-02"])
    elif name == "rings":
        rings(seed, count)
    else:
        distances(seed, count)


if __name__ == "__main__":
    main(sys.argv[1:])
