/* As much of MQTT 3.1.1 as the probes need: packets written by hand, to cost next to nothing. */
#ifndef MQTT_H
#define MQTT_H
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CONNACK = 2, PUBLISH = 3, PUBACK = 4, PUBREC = 5, PUBREL = 6, PUBCOMP = 7, SUBSCRIBE = 8, PINGREQ = 12 };

static inline void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(1);
}

static inline double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Writes the fixed header; returns its length. */
static inline size_t put_header(uint8_t *out, int type_and_flags, size_t remaining) {
    size_t n = 0;
    out[n++] = (uint8_t)type_and_flags;
    do {
        uint8_t digit = remaining & 127;
        remaining >>= 7;
        out[n++] = digit | (remaining ? 128 : 0);
    } while (remaining);
    return n;
}

static inline size_t put_text(uint8_t *out, const char *text, size_t n) {
    out[0] = (uint8_t)(n >> 8);
    out[1] = (uint8_t)n;
    memcpy(out + 2, text, n);
    return n + 2;
}

static inline size_t put_publish(uint8_t *out, const char *topic, size_t topic_bytes, const char *payload,
                                 size_t payload_bytes, int qos, unsigned id) {
    size_t n = put_header(out, PUBLISH << 4 | qos << 1, 2 + topic_bytes + (qos ? 2 : 0) + payload_bytes);
    n += put_text(out + n, topic, topic_bytes);
    if (qos) {
        out[n++] = (uint8_t)(id >> 8);
        out[n++] = (uint8_t)id;
    }
    memcpy(out + n, payload, payload_bytes);
    return n + payload_bytes;
}

static inline void send_all(int fd, const uint8_t *bytes, size_t n) {
    while (n) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            struct pollfd writable = {fd, POLLOUT, 0};
            poll(&writable, 1, 1000);
            continue;
        }
        if (sent <= 0) fail("send");
        bytes += sent;
        n -= (size_t)sent;
    }
}

/* What came in and is not yet taken apart. */
struct inbox {
    uint8_t *bytes;
    size_t count, room;
};

/* One packet: its first byte, its body. */
struct packet {
    int type, flags;
    const uint8_t *body;
    size_t body_bytes;
};

/* Reads what there is; false at the end of the connection. */
static inline int inbox_fill(struct inbox *in, int fd) {
    if (in->room - in->count < 65536) {
        in->room = in->room ? in->room * 2 : 1 << 18;
        in->bytes = realloc(in->bytes, in->room);
    }
    ssize_t got = recv(fd, in->bytes + in->count, in->room - in->count, 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    in->count += (size_t)got;
    return got > 0;
}

/* The packet at `*at`, which moves behind it; false when it is not complete. */
static inline int inbox_next(struct inbox *in, size_t *at, struct packet *p) {
    size_t i = *at + 1, length = 0;
    for (int shift = 0;; shift += 7, i++) {
        if (i >= in->count) return 0;
        length |= (size_t)(in->bytes[i] & 127) << shift;
        if (!(in->bytes[i] & 128)) break;
    }
    i++;
    if (i + length > in->count) return 0;
    *p = (struct packet){in->bytes[*at] >> 4, in->bytes[*at] & 15, in->bytes + i, length};
    *at = i + length;
    return 1;
}

static inline void inbox_drop(struct inbox *in, size_t upto) {
    memmove(in->bytes, in->bytes + upto, in->count - upto);
    in->count -= upto;
}

/* Connects as a client and waits for the acknowledgement. */
static inline int mqtt_connect(const char *host, int port, const char *client) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) fail("host must be an address");
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    uint8_t packet[256], variable[256];
    size_t n = put_text(variable, "MQTT", 4);
    memcpy(variable + n, "\x04\x02\x00\x00", 4); /* 3.1.1, clean session, no keep-alive */
    n += 4;
    n += put_text(variable + n, client, strlen(client));
    size_t head = put_header(packet, 1 << 4, n);
    memcpy(packet + head, variable, n);
    send_all(fd, packet, head + n);
    uint8_t reply[4];
    if (recv(fd, reply, 4, MSG_WAITALL) != 4 || reply[0] >> 4 != CONNACK || reply[3]) fail("refused");
    return fd;
}

/* A broker's answer to a connection, a subscription (any filter, at `qos`) or a ping. */
static inline void broker_answer(int fd, const struct packet *p, int qos) {
    uint8_t answer[64];
    int filters = 0;
    if (p->type == 1) send_all(fd, (const uint8_t *)"\x20\x02\x00\x00", 4);
    if (p->type == PINGREQ) send_all(fd, (const uint8_t *)"\xd0\x00", 2);
    if (p->type != SUBSCRIBE) return;
    for (size_t at = 2; at + 2 < p->body_bytes && filters < 32; filters++)
        at += 3 + (size_t)(p->body[at] << 8 | p->body[at + 1]);
    answer[0] = 9 << 4;
    answer[1] = (uint8_t)(2 + filters);
    memcpy(answer + 2, p->body, 2);
    memset(answer + 4, qos, (size_t)filters);
    send_all(fd, answer, 4 + (size_t)filters);
}

/* The publishing connection subscribes too, to what it has retained: only who asks for readings gets them. */
static inline int asks_for_readings(const struct packet *p) {
    return p->type == SUBSCRIBE && memmem(p->body, p->body_bytes, "/in/", 4) != NULL;
}

/* A recording as PUBLISH packets, one behind the other. */
struct packets {
    uint8_t *bytes;
    size_t *ends; /* offset behind each packet */
    size_t count;
};

static inline struct packets encode_recording(const char *path, int qos) {
    FILE *file = fopen(path, "r");
    struct stat info;
    if (!file || fstat(fileno(file), &info)) fail(path);
    size_t room = 1 << 20, at = 0, bytes_room = (size_t)info.st_size + (64 << 20), line_room = 0;
    struct packets p = {malloc(bytes_room), malloc(room * sizeof(size_t)), 0};
    char *line = NULL;
    for (ssize_t n; (n = getline(&line, &line_room, file)) > 0;) {
        char *space = memchr(line, ' ', (size_t)n);
        if (!space) continue;
        if (line[n - 1] == '\n') n--;
        if (p.count == room) p.ends = realloc(p.ends, (room *= 2) * sizeof(size_t));
        if (at + (size_t)n + 16 > bytes_room) p.bytes = realloc(p.bytes, bytes_room *= 2);
        at += put_publish(p.bytes + at, line, (size_t)(space - line), space + 1, (size_t)(line + n - space - 1), qos,
                          (unsigned)(p.count % 65535 + 1));
        p.ends[p.count++] = at;
    }
    fclose(file);
    return p;
}

#endif
