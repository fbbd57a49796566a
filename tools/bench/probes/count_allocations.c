/* A library to preload: counts allocations by the library that asked for them, and writes the counts at the end, as JSON,
 * to the file that BENCH_ALLOCATIONS names. (glibc.) */
#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

enum { OTHER, SQLITE, MOSQUITTO, CALLERS };
static const char *const names[CALLERS] = {"own", "sqlite", "mosquitto"};
static uintptr_t from[CALLERS], to[CALLERS];
static atomic_ulong counts[CALLERS];

static int note_library(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size, (void)unused;
    int which = strstr(info->dlpi_name, "libsqlite3") ? SQLITE : strstr(info->dlpi_name, "libmosquitto") ? MOSQUITTO : 0;
    if (!which) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
        uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        uintptr_t end = start + info->dlpi_phdr[i].p_memsz;
        if (!from[which] || start < from[which]) from[which] = start;
        if (end > to[which]) to[which] = end;
    }
    return 0;
}

__attribute__((constructor)) static void start_counting(void) { dl_iterate_phdr(note_library, NULL); }

__attribute__((destructor)) static void write_counts(void) {
    const char *path = getenv("BENCH_ALLOCATIONS");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    for (int i = 0; i < CALLERS; i++) fprintf(file, "%s\"%s\": %lu", i ? ", " : "{", names[i], counts[i]);
    fprintf(file, "}\n");
    fclose(file);
}

static inline void count(const void *caller) {
    uintptr_t at = (uintptr_t)caller;
    int who = OTHER;
    for (int i = 1; i < CALLERS; i++)
        if (at >= from[i] && at < to[i]) who = i;
    atomic_fetch_add_explicit(&counts[who], 1, memory_order_relaxed);
}

#define COUNT() count(__builtin_return_address(0))
void *malloc(size_t n) { return COUNT(), __libc_malloc(n); }
void *calloc(size_t n, size_t each) { return COUNT(), __libc_calloc(n, each); }
void *realloc(void *p, size_t n) { return COUNT(), __libc_realloc(p, n); }
void *memalign(size_t alignment, size_t n) { return COUNT(), __libc_memalign(alignment, n); }
void *aligned_alloc(size_t alignment, size_t n) { return COUNT(), __libc_memalign(alignment, n); }
int posix_memalign(void **out, size_t alignment, size_t n) {
    COUNT();
    void *p = __libc_memalign(alignment, n);
    if (!p) return ENOMEM;
    *out = p;
    return 0;
}
