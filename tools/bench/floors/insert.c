/* floor_insert FILE STORE: inserts the rows of a recording that is decoded beforehand: SQLite alone is measured. */
#include "store.h"

struct row {
    int32_t device;
    struct reading reading;
};

int main(int argc, char **argv) {
    if (argc != 3) fail("usage", "floor_insert FILE STORE");
    FILE *file = fopen(argv[1], "r");
    if (!file) fail(argv[1], "cannot be read");
    struct devices devices;
    devices_open(&devices);
    size_t count = 0, room = 1 << 20, line_bytes = 0;
    struct row *rows = malloc(room * sizeof *rows);
    char *line = NULL;
    while (getline(&line, &line_bytes, file) > 0) {
        char *space = strchr(line, ' ');
        int is_new;
        if (!space) continue;
        int32_t device = device_number(&devices, line, (size_t)(space - line), &is_new);
        const char *p = space + 1;
        int array = *p == '[';
        for (p += array; *p == '{';) {
            if (count == room) rows = realloc(rows, (room *= 2) * sizeof *rows);
            rows[count].device = device;
            if (!(p = decode_object(p, &rows[count].reading))) fail(argv[1], "damaged");
            count++;
            if (*p == ',') p++;
        }
    }
    fclose(file);
    double started = seconds_now(), cpu_started = cpu_seconds();
    struct store s;
    store_open(&s, argv[2]);
    for (uint32_t i = 0; i < devices.count; i++) {
        store_begin(&s);
        sqlite3_bind_int(s.add_device, 1, (int)i);
        sqlite3_bind_text(s.add_device, 2, devices.items[i].topic, -1, SQLITE_STATIC);
        step(&s, s.add_device);
    }
    for (size_t i = 0; i < count; i++) {
        store_begin(&s);
        store_insert(&s, rows[i].device, &rows[i].reading);
        s.stored++;
        if (++s.pending >= BATCH_READINGS) store_commit(&s);
    }
    store_close(&s);
    printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"stored\": %lld}\n", seconds_now() - started,
           cpu_seconds() - cpu_started, (long long)s.total_stored);
    return 0;
}
