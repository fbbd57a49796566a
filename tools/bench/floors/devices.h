/* Devices by topic: open addressing on a hash of the topic's bytes. A topic is checked and split when it is new. */
#ifndef DEVICES_H
#define DEVICES_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct device {
    char *topic;
    uint32_t topic_bytes;
    int64_t last_ts_ms;
};

struct devices {
    struct device *items;
    uint32_t *slots; /* index + 1 into items, 0 = free */
    uint32_t count, mask;
};

static const char topic_root[] = "patrol/v1/in/";

static inline uint64_t hash_bytes(const char *p, size_t n) {
    uint64_t h = n * 0x9E3779B97F4A7C15u, word;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&word, p, 8);
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, p, n);
    h = (h ^ word) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static void devices_open(struct devices *d) {
    d->mask = (1u << 19) - 1; /* room for 200,000 devices at a load under a half */
    d->slots = calloc(d->mask + 1, sizeof *d->slots);
    d->items = malloc(sizeof *d->items * 200000);
    d->count = 0;
}

/* patrol/v1/in/{gateway}/noise/{device}: the length of the gateway, or -1. */
static int split_topic(const char *topic, size_t n) {
    size_t root = sizeof topic_root - 1;
    if (n <= root || memcmp(topic, topic_root, root)) return -1;
    const char *slash = memchr(topic + root, '/', n - root);
    if (!slash || slash == topic + root) return -1;
    size_t rest = n - (size_t)(slash - topic);
    if (rest < 8 || memcmp(slash, "/noise/", 7) || memchr(slash + 7, '/', rest - 7)) return -1;
    if (rest - 7 > 64 || slash - topic - (long)root > 64) return -1;
    return (int)(slash - topic - (long)root);
}

/* The device's number; `*is_new` when it was not known. -1 for a topic that is none of a noise meter's. */
static inline int32_t device_number(struct devices *d, const char *topic, size_t n, int *is_new) {
    uint32_t at = (uint32_t)hash_bytes(topic, n) & d->mask;
    *is_new = 0;
    for (; d->slots[at]; at = (at + 1) & d->mask) {
        struct device *known = &d->items[d->slots[at] - 1];
        if (known->topic_bytes == n && !memcmp(known->topic, topic, n)) return (int32_t)d->slots[at] - 1;
    }
    if (split_topic(topic, n) < 0 || d->count == 200000) return -1;
    struct device *added = &d->items[d->count];
    added->topic = memcpy(malloc(n + 1), topic, n);
    added->topic[n] = 0;
    added->topic_bytes = (uint32_t)n;
    added->last_ts_ms = INT64_MIN;
    d->slots[at] = ++d->count;
    *is_new = 1;
    return (int32_t)d->count - 1;
}

#endif
