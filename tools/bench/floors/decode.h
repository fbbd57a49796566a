/* Decoder of the native noise payload: one object or an array of them. Strict where it matters (structure, types,
 * ranges), in one pass, without allocating. The text must be followed by a byte that is no part of JSON (NUL or a
 * line feed): it stands in for bounds checks. */
#ifndef DECODE_H
#define DECODE_H
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HAS_TS = 1, HAS_LAEQ = 2, HAS_LMAX = 4, HAS_LMIN = 8, HAS_BATTERY = 16, HAS_SEQ = 32 };

struct reading {
    int64_t ts_ms, seq;
    double laeq, lmax, lmin, battery;
    unsigned present;
};

struct number {
    double value;
    int64_t integer;
    int is_integer;
};

static const double powers_of_ten[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

static inline const char *skip_space(const char *p) {
    while (*p == ' ' || *p == '\t' || *p == '\r') p++;
    return p;
}

/* NULL when it is not a number. */
static inline const char *decode_number(const char *p, struct number *out) {
    const char *start = p;
    int negative = *p == '-', digits = 0, fraction = 0;
    uint64_t mantissa = 0;
    p += negative;
    if (*p == '0' && p[1] >= '0' && p[1] <= '9') return NULL;
    while ((unsigned char)(*p - '0') < 10) mantissa = mantissa * 10 + (unsigned)(*p++ - '0'), digits++;
    if (!digits) return NULL;
    if (*p == '.') {
        p++;
        while ((unsigned char)(*p - '0') < 10) mantissa = mantissa * 10 + (unsigned)(*p++ - '0'), fraction++;
        if (!fraction) return NULL;
    }
    if (digits + fraction <= 15 && *p != 'e' && *p != 'E') {
        out->is_integer = fraction == 0;
        out->integer = negative ? -(int64_t)mantissa : (int64_t)mantissa;
        double value = (double)mantissa / powers_of_ten[fraction];
        out->value = negative ? -value : value;
        return p;
    }
    char *end;
    out->value = strtod(start, &end);
    out->is_integer = fraction == 0 && *p != 'e' && *p != 'E' && digits <= 18;
    out->integer = out->is_integer ? (int64_t)(negative ? -mantissa : mantissa) : 0;
    return end;
}

static inline const char *skip_string(const char *p) { /* behind the opening quote */
    for (; *p != '"'; p++) {
        if ((unsigned char)*p < 0x20) return NULL;
        if (*p == '\\' && (unsigned char)*++p < 0x20) return NULL;
    }
    return p + 1;
}

/* Skips any value; strings, numbers, words, nested values. */
static const char *skip_value(const char *p, int depth) {
    p = skip_space(p);
    if (*p == '"') return skip_string(p + 1);
    if (*p == '{' || *p == '[') {
        char close = *p == '{' ? '}' : ']';
        if (depth == 0) return NULL;
        p = skip_space(p + 1);
        if (*p == close) return p + 1;
        for (;;) {
            if (close == '}') {
                if (*p != '"' || !(p = skip_string(p + 1))) return NULL;
                p = skip_space(p);
                if (*p++ != ':') return NULL;
            }
            if (!(p = skip_value(p, depth - 1))) return NULL;
            p = skip_space(p);
            if (*p == close) return p + 1;
            if (*p++ != ',') return NULL;
            p = skip_space(p);
        }
    }
    if (!strncmp(p, "true", 4) || !strncmp(p, "null", 4)) return p + 4;
    if (!strncmp(p, "false", 5)) return p + 5;
    struct number ignored;
    return decode_number(p, &ignored);
}

static inline int key_is(const char *key, size_t length, const char *name) {
    return length == strlen(name) && memcmp(key, name, length) == 0;
}

/* Takes one object. NULL when it is damaged; `r->present` lacks HAS_TS or HAS_LAEQ when a value is refused. */
static inline const char *decode_object(const char *p, struct reading *r) {
    int refused = 0;
    r->present = 0;
    p = skip_space(p);
    if (*p++ != '{') return NULL;
    p = skip_space(p);
    if (*p == '}') return p + 1;
    for (;;) {
        if (*p++ != '"') return NULL;
        const char *key = p;
        if (!(p = skip_string(p))) return NULL;
        size_t length = (size_t)(p - key - 1);
        p = skip_space(p);
        if (*p++ != ':') return NULL;
        p = skip_space(p);
        double *level = NULL;
        unsigned bit = 0;
        if (key_is(key, length, "laeq")) level = &r->laeq, bit = HAS_LAEQ;
        else if (key_is(key, length, "ts")) bit = HAS_TS;
        else if (key_is(key, length, "seq")) bit = HAS_SEQ;
        else if (key_is(key, length, "lmax")) level = &r->lmax, bit = HAS_LMAX;
        else if (key_is(key, length, "lmin")) level = &r->lmin, bit = HAS_LMIN;
        else if (key_is(key, length, "battery")) bit = HAS_BATTERY;
        if (!bit) {
            if (!(p = skip_value(p, 32))) return NULL;
        } else {
            struct number n;
            if (r->present & bit) refused = 1;
            r->present |= bit;
            const char *end = decode_number(p, &n);
            if (!end) {
                refused = 1;
                if (!(end = skip_value(p, 32))) return NULL;
            } else if (level) {
                *level = n.value;
                refused |= !(n.value >= -20 && n.value <= 200);
            } else if (bit == HAS_BATTERY) {
                r->battery = n.value;
                refused |= !(n.value >= 0 && n.value <= 100);
            } else {
                refused |= !n.is_integer;
                *(bit == HAS_TS ? &r->ts_ms : &r->seq) = n.integer;
            }
            p = end;
        }
        p = skip_space(p);
        if (*p == '}') break;
        if (*p++ != ',') return NULL;
        p = skip_space(p);
    }
    if (refused) r->present = 0;
    return p + 1;
}

#endif
