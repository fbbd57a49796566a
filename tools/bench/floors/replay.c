/* floor_replay FILE STORE: reads a recording (topic, space, payload a line) into a store, in one thread. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store.h"

int main(int argc, char **argv) {
    if (argc != 3) fail("usage", "floor_replay FILE STORE");
    double started = seconds_now();
    int file = open(argv[1], O_RDONLY);
    struct stat info;
    if (file < 0 || fstat(file, &info)) fail(argv[1], "cannot be read");
    size_t bytes = (size_t)info.st_size;
    const char *text = bytes ? mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0) : "";
    if (text == MAP_FAILED) fail(argv[1], "cannot be mapped");
    if (bytes && text[bytes - 1] != '\n') fail(argv[1], "the last line has no end");
    struct store s;
    store_open(&s, argv[2]);
    for (const char *line = text, *end = text + bytes; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        const char *space = memchr(line, ' ', (size_t)(next - line));
        if (space) store_message(&s, line, (size_t)(space - line), space + 1, next);
        if (s.pending >= BATCH_READINGS) store_commit(&s);
        line = next + 1;
    }
    store_close(&s);
    printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"stored\": %lld}\n", seconds_now() - started, cpu_seconds(),
           (long long)s.total_stored);
    return 0;
}
