/* The floors' store: the plain layout, one prepared INSERT a row, a transaction for each batch, WAL and FULL. */
#ifndef STORE_H
#define STORE_H
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include "decode.h"
#include "devices.h"

enum { BATCH_READINGS = 10000 };

struct store {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *insert, *add_device, *count;
    struct devices devices;
    int64_t received, stored, duplicate, rejected; /* since the last commit */
    int64_t total_stored;
    int pending, in_transaction;
};

static void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu_seconds(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static void run_sql(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL)) fail(sql, sqlite3_errmsg(db));
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *s;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL)) fail(sql, sqlite3_errmsg(db));
    return s;
}

static inline void step(struct store *s, sqlite3_stmt *statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) fail("store", sqlite3_errmsg(s->db));
    sqlite3_reset(statement);
}

static void store_open(struct store *s, const char *path) {
    memset(s, 0, sizeof *s);
    if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL))
        fail(path, sqlite3_errmsg(s->db));
    run_sql(s->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
    run_sql(s->db,
            "CREATE TABLE device (number INTEGER PRIMARY KEY, topic TEXT NOT NULL);"
            "CREATE TABLE noise (ts INTEGER, device INTEGER, laeq REAL, lmax REAL, lmin REAL, battery REAL, seq INTEGER,"
            "  PRIMARY KEY (ts, device)) WITHOUT ROWID;"
            "CREATE TABLE message_count (kind TEXT PRIMARY KEY, received INTEGER, stored INTEGER, duplicate INTEGER,"
            "  rejected INTEGER, dropped INTEGER) WITHOUT ROWID;"
            "INSERT INTO message_count VALUES ('noise', 0, 0, 0, 0, 0);");
    s->begin = prepare(s->db, "BEGIN");
    s->commit = prepare(s->db, "COMMIT");
    s->insert = prepare(s->db, "INSERT OR IGNORE INTO noise VALUES (?, ?, ?, ?, ?, ?, ?)");
    s->add_device = prepare(s->db, "INSERT INTO device VALUES (?, ?)");
    s->count = prepare(s->db,
                       "UPDATE message_count SET received = received + ?, stored = stored + ?,"
                       " duplicate = duplicate + ?, rejected = rejected + ?");
    devices_open(&s->devices);
}

static void store_commit(struct store *s) {
    if (!s->in_transaction) return;
    sqlite3_bind_int64(s->count, 1, s->received);
    sqlite3_bind_int64(s->count, 2, s->stored);
    sqlite3_bind_int64(s->count, 3, s->duplicate);
    sqlite3_bind_int64(s->count, 4, s->rejected);
    step(s, s->count);
    step(s, s->commit);
    s->total_stored += s->stored;
    s->received = s->stored = s->duplicate = s->rejected = 0;
    s->pending = s->in_transaction = 0;
}

static inline void store_begin(struct store *s) {
    if (s->in_transaction) return;
    step(s, s->begin);
    s->in_transaction = 1;
}

static inline void bind_optional(sqlite3_stmt *statement, int at, int present, double value) {
    if (present) sqlite3_bind_double(statement, at, value);
    else sqlite3_bind_null(statement, at);
}

/* Inserts one row; 1 when it was not there yet. */
static inline int store_insert(struct store *s, int32_t device, const struct reading *r) {
    sqlite3_stmt *i = s->insert;
    sqlite3_bind_int64(i, 1, r->ts_ms);
    sqlite3_bind_int(i, 2, device);
    sqlite3_bind_double(i, 3, r->laeq);
    bind_optional(i, 4, r->present & HAS_LMAX, r->lmax);
    bind_optional(i, 5, r->present & HAS_LMIN, r->lmin);
    bind_optional(i, 6, r->present & HAS_BATTERY, r->battery);
    if (r->present & HAS_SEQ) sqlite3_bind_int64(i, 7, r->seq);
    else sqlite3_bind_null(i, 7);
    step(s, i);
    return 1;
}

static inline void store_reading(struct store *s, int32_t device, const struct reading *r) {
    s->received++;
    s->pending++;
    if ((r->present & (HAS_TS | HAS_LAEQ)) != (HAS_TS | HAS_LAEQ)) {
        s->rejected++;
        return;
    }
    struct device *d = &s->devices.items[device];
    if (r->ts_ms > d->last_ts_ms) {
        store_insert(s, device, r);
        d->last_ts_ms = r->ts_ms;
        s->stored++;
    } else if (r->ts_ms == d->last_ts_ms) {
        s->duplicate++;
    } else {
        store_insert(s, device, r);
        if (sqlite3_changes(s->db)) s->stored++;
        else s->duplicate++;
    }
}

/* Takes one message: topic and payload as they came. The byte behind the payload must be NUL or a line feed. */
static inline void store_message(struct store *s, const char *topic, size_t topic_bytes, const char *payload,
                                 const char *end) {
    int is_new;
    struct reading r;
    store_begin(s);
    int32_t device = device_number(&s->devices, topic, topic_bytes, &is_new);
    if (is_new) {
        sqlite3_bind_int(s->add_device, 1, device);
        sqlite3_bind_text(s->add_device, 2, topic, (int)topic_bytes, SQLITE_STATIC);
        step(s, s->add_device);
    }
    const char *p = skip_space(payload);
    if (device < 0) goto refuse;
    if (*p != '[') {
        if (!(p = decode_object(p, &r)) || skip_space(p) != end) goto refuse;
        store_reading(s, device, &r);
        return;
    }
    /* An array is taken whole or not at all: it is walked once to check it. */
    const char *check = skip_value(p, 32);
    if (!check || skip_space(check) != end) goto refuse;
    for (p = skip_space(p + 1); *p != ']';) {
        if (!(p = decode_object(p, &r))) goto refuse;
        store_reading(s, device, &r);
        p = skip_space(p);
        if (*p == ',') p = skip_space(p + 1);
    }
    return;
refuse:
    s->received++;
    s->rejected++;
    s->pending++;
}

static void store_close(struct store *s) {
    store_commit(s);
    sqlite3_finalize(s->begin);
    sqlite3_finalize(s->commit);
    sqlite3_finalize(s->insert);
    sqlite3_finalize(s->add_device);
    sqlite3_finalize(s->count);
    if (sqlite3_close(s->db)) fail("close", sqlite3_errmsg(s->db));
}

#endif
