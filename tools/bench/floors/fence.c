/* floor_fence FILE ROUNDS: which of many fences hold a point, the plain way: each fence's box, then the usual loop over its
 * corners. Prints nanoseconds a point, and how many fences held points in one round. FILE as Tests/FenceBench has it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct box { double west, south, east, north; };

static int holds(const double *x, const double *y, int corners, double px, double py) {
    int inside = 0;
    for (int i = 0, j = corners - 1; i < corners; j = i++)
        if ((y[i] > py) != (y[j] > py) && px < (x[j] - x[i]) * (py - y[i]) / (y[j] - y[i]) + x[i]) inside = !inside;
    return inside;
}

static double *numbers(FILE *file, size_t count, int second) {
    /* Every other number of `count` pairs from here on; the place in the file is put back for the other half. */
    long start = ftell(file);
    double *values = malloc(count * sizeof *values), pair[2];
    for (size_t i = 0; i < count; i++) {
        if (fscanf(file, "%lf %lf", &pair[0], &pair[1]) != 2) exit(2);
        values[i] = pair[second];
    }
    if (!second) fseek(file, start, SEEK_SET);
    return values;
}

int main(int argc, char **argv) {
    int fences, corners, points, rounds = argc == 3 ? atoi(argv[2]) : 0;
    FILE *file = argc == 3 ? fopen(argv[1], "r") : NULL;
    if (!file || rounds < 1 || fscanf(file, "%d %d %d", &fences, &corners, &points) != 3) return 2;
    size_t all = (size_t)fences * corners;
    double *x = numbers(file, all, 0), *y = numbers(file, all, 1);
    double *px = numbers(file, points, 0), *py = numbers(file, points, 1);
    struct box *boxes = malloc(fences * sizeof *boxes);
    for (int f = 0; f < fences; f++) {
        struct box box = {x[f * corners], y[f * corners], x[f * corners], y[f * corners]};
        for (int i = f * corners; i < (f + 1) * corners; i++) {
            if (x[i] < box.west) box.west = x[i];
            if (x[i] > box.east) box.east = x[i];
            if (y[i] < box.south) box.south = y[i];
            if (y[i] > box.north) box.north = y[i];
        }
        boxes[f] = box;
    }
    struct timespec from, to;
    uint64_t hits = 0;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int round = 0; round < rounds; round++)
        for (int p = 0; p < points; p++)
            for (int f = 0; f < fences; f++)
                if (px[p] >= boxes[f].west && px[p] <= boxes[f].east && py[p] >= boxes[f].south && py[p] <= boxes[f].north)
                    hits += holds(x + f * corners, y + f * corners, corners, px[p], py[p]);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double nanoseconds = (to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec);
    printf("%f %llu\n", nanoseconds / ((double)rounds * points), (unsigned long long)(hits / rounds));
    return 0;
}
