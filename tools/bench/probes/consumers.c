/* consumers HTTP_PORT READERS POLLERS MQTT_PORT HOOK_PORT SHM OUT: consumers of Patrol's events, in one thread that costs
 * little: READERS of /api/v1/stream, POLLERS of /api/v1/events, a subscriber of MQTT_PORT (0: none), a receiver of webhooks
 * at HOOK_PORT (0: none). SHM is the index of the store's WAL (-: none): when its change counter moved, a commit became
 * visible (SQLite, "WAL-mode File Format" §2.1).
 *
 * Prints `ready` when everybody listens. At SIGTERM it writes OUT: lines `WAY EVENT-ID UNIX-SECONDS` (of readers, every
 * twentieth), `commit UNIX-SECONDS`, `reader EVENTS` for each reader, and ends. */
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include "mqtt.h"

enum { SAMPLE_EVERY = 20, LOOK_MICROSECONDS = 100, ID_BYTES = 40 };
enum kind { READER, POLLER, SUBSCRIBER, LISTENER, HOOK };
static const char *const ways[] = {"sse", "poll", "mqtt", "", "webhook"};

struct consumer {
    enum kind kind;
    int fd, number, is_open;
    long events;
    struct inbox in;
};

struct note {
    enum kind kind;
    char id[ID_BYTES];
    double at;
};

static struct note *notes;
static size_t note_count, note_room;
static double commits[1 << 20];
static _Atomic size_t commit_count;
static volatile sig_atomic_t is_over;
static int waiting_for, events_fd;

static void on_term(int signal) { (void)signal, is_over = 1; }

static double wall_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *watch_commits(void *path) {
    prctl(PR_SET_TIMERSLACK, 1000);
    int fd = open(path, O_RDONLY);
    volatile uint32_t *index = fd < 0 ? MAP_FAILED : mmap(NULL, 48, PROT_READ, MAP_SHARED, fd, 0);
    if (index == MAP_FAILED) fail(path);
    for (uint32_t last = index[2]; !is_over; nanosleep(&(struct timespec){0, LOOK_MICROSECONDS * 1000}, NULL)) {
        if (index[2] == last || commit_count == sizeof commits / sizeof *commits) continue;
        last = index[2];
        commits[commit_count] = wall_now();
        commit_count++;
    }
    return NULL;
}

/* Notes the ids of events, `"id":"XXXXXXXX-N"`, in bytes that are whole JSON members; returns where the search ended. */
static size_t take_ids(struct consumer *c, const uint8_t *bytes, size_t count, double now) {
    size_t at = 0;
    for (const uint8_t *found; (found = memmem(bytes + at, count - at, "\"id\":\"", 6));) {
        const uint8_t *id = found + 6, *end = memchr(id, '"', (size_t)(bytes + count - id));
        if (!end) return (size_t)(found - bytes);
        at = (size_t)(end - bytes);
        if (end - id < 10 || end - id >= ID_BYTES || id[8] != '-') continue;
        c->events++;
        if (c->kind == READER && c->number % SAMPLE_EVERY) continue;
        if (note_count == note_room) notes = realloc(notes, (note_room = note_room ? note_room * 2 : 1 << 16) * sizeof *notes);
        struct note *note = &notes[note_count++];
        note->kind = c->kind;
        note->at = now;
        memcpy(note->id, id, (size_t)(end - id));
        note->id[end - id] = 0;
    }
    return at > count - 6 || count < 6 ? at : count - 6;
}

static struct consumer *add(enum kind kind, int fd, int number) {
    struct consumer *c = calloc(1, sizeof *c);
    *c = (struct consumer){.kind = kind, .fd = fd, .number = number};
    struct epoll_event event = {EPOLLIN, {.ptr = c}};
    if (epoll_ctl(events_fd, EPOLL_CTL_ADD, fd, &event)) fail("epoll");
    return c;
}

static int tcp(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void ask(int fd, const char *after) {
    char text[256];
    int n = snprintf(text, sizeof text, "GET /api/v1/events?after=%s&limit=1000&wait=30 HTTP/1.1\r\nHost: x\r\n\r\n", after);
    send_all(fd, (uint8_t *)text, (size_t)n);
}

/* The whole HTTP message at the front of the inbox: its length, and where its body begins; 0 when it is not complete. */
static size_t message(struct inbox *in, size_t *body) {
    uint8_t *end = memmem(in->bytes, in->count, "\r\n\r\n", 4);
    if (!end) return 0;
    *end = 0;
    char *length = strcasestr((char *)in->bytes, "content-length:");
    *body = (size_t)(end + 4 - in->bytes);
    size_t total = *body + (length ? strtoul(length + 15, NULL, 10) : 0);
    *end = '\r';
    return total <= in->count ? total : 0;
}

static void opened(struct consumer *c) {
    if (c->is_open) return;
    c->is_open = 1;
    if (--waiting_for == 0) printf("ready\n"), fflush(stdout);
}

static void take(struct consumer *c) {
    if (c->kind == LISTENER) {
        add(HOOK, accept(c->fd, NULL, NULL), 0);
        return;
    }
    if (!inbox_fill(&c->in, c->fd)) {
        if (c->kind != HOOK && !is_over) fail("a connection was closed");
        close(c->fd);
        return;
    }
    double now = wall_now();
    struct inbox *in = &c->in;
    size_t at = 0, body, length;
    switch (c->kind) {
    case READER:
        if (!c->is_open && memmem(in->bytes, in->count, "event: hello", 12)) opened(c);
        at = take_ids(c, in->bytes, in->count, now);
        break;
    case POLLER:
    case HOOK:
        while ((length = message(in, &body))) {
            take_ids(c, in->bytes + body, length - body, now);
            if (c->kind == HOOK) {
                send_all(c->fd, (const uint8_t *)"HTTP/1.1 204 No Content\r\n\r\n", 27);
            } else {
                const char *next = NULL, *from = (char *)in->bytes + body, *end = (char *)in->bytes + length;
                for (const char *found; (found = memmem(from, (size_t)(end - from), "\"next\":\"", 8)); from = next) next = found + 8;
                if (!next) fail("an answer without next");
                char after[ID_BYTES];
                snprintf(after, sizeof after, "%.*s", (int)strcspn(next, "\""), next);
                ask(c->fd, after);
            }
            inbox_drop(in, length);
        }
        break;
    case SUBSCRIBER:
        for (struct packet p; inbox_next(in, &at, &p);) {
            if (p.type == SUBSCRIBE + 1) opened(c);
            if (p.type != PUBLISH) continue;
            take_ids(c, p.body, p.body_bytes, now);
            size_t topic = (size_t)(p.body[0] << 8 | p.body[1]) + 2;
            if (p.flags & 6) send_all(c->fd, (uint8_t[]){PUBACK << 4, 2, p.body[topic], p.body[topic + 1]}, 4);
        }
        break;
    case LISTENER: break;
    }
    inbox_drop(in, at);
}

int main(int argc, char **argv) {
    if (argc != 8) fail("usage: consumers HTTP_PORT READERS POLLERS MQTT_PORT HOOK_PORT SHM OUT");
    int http = atoi(argv[1]), readers = atoi(argv[2]), pollers = atoi(argv[3]), mqtt = atoi(argv[4]), hook = atoi(argv[5]);
    signal(SIGTERM, on_term);
    signal(SIGPIPE, SIG_IGN);
    events_fd = epoll_create1(0);
    pthread_t witness;
    if (strcmp(argv[6], "-")) pthread_create(&witness, NULL, watch_commits, argv[6]);
    waiting_for = readers + (mqtt != 0) + 1;
    struct consumer **stream = calloc((size_t)readers + 1, sizeof *stream);
    for (int i = 0; i < readers; i++) {
        stream[i] = add(READER, tcp(http), i);
        send_all(stream[i]->fd, (const uint8_t *)"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n", 41);
    }
    for (int i = 0; i < pollers; i++) ask(add(POLLER, tcp(http), i)->fd, "0");
    if (mqtt) {
        struct consumer *c = add(SUBSCRIBER, mqtt_connect("127.0.0.1", mqtt, "consumers"), 0);
        const char *filter = "patrol/v1/out/#";
        uint8_t packet[64] = {SUBSCRIBE << 4 | 2, (uint8_t)(strlen(filter) + 5), 0, 1};
        size_t n = 4 + put_text(packet + 4, filter, strlen(filter));
        packet[n++] = 1;
        send_all(c->fd, packet, n);
    }
    if (hook) {
        int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)hook), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 64)) fail("listen");
        add(LISTENER, fd, 0);
    }
    struct consumer self = {0};
    opened(&self);
    struct epoll_event ready[256];
    while (!is_over) {
        int count = epoll_wait(events_fd, ready, 256, 1000);
        for (int i = 0; i < count; i++) take(ready[i].data.ptr);
    }
    FILE *out = fopen(argv[7], "w");
    if (!out) fail(argv[7]);
    for (size_t i = 0; i < note_count; i++) fprintf(out, "%s %s %.6f\n", ways[notes[i].kind], notes[i].id, notes[i].at);
    for (size_t i = 0; i < commit_count; i++) fprintf(out, "commit %.6f\n", commits[i]);
    for (int i = 0; i < readers; i++) fprintf(out, "reader %ld\n", stream[i]->events);
    fclose(out);
    return 0;
}
