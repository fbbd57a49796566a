/* latency HOST PORT QOS RATE SECONDS LOUD STORE FILTER MARK: publishes readings at a steady rate and measures how long
 * each takes to be visible in the store (to a reader of its own, looking every LOOK_MICROSECONDS) and how long it takes
 * until a message about it comes back on FILTER.
 *
 * HOST `-` plays the broker itself: prints `port N`, sends the recording PORT to who subscribes to readings, and
 * SETTLE_SECONDS later what is measured. All that the others publish counts as on FILTER.
 *
 * STORE `-` looks at no store. MARK is a text that such a message must hold (`firing` for alerts; `-` any: with
 * FILTER `patrol/v1/in/#` the broker's bare echo). A message on a task, which does not name the meter, is known by its
 * alert's, which came before. One meter of LOUD is loud (over 70 dB) in each second, and quiet in the next. Above
 * WAKES_PER_SECOND several readings are sent at once. The first two seconds are not counted. Prints a JSON object. */
#include <pthread.h>
#include <sqlite3.h>
#include <sys/prctl.h>
#include "mqtt.h"

enum { LOOK_MICROSECONDS = 50, WARM_UP_SECONDS = 2, WAKES_PER_SECOND = 2000, MOST_AT_ONCE = 64, PATIENCE_SECONDS = 10, SETTLE_SECONDS = 2,
       CONNECTIONS = 8 };

static long total, warm_up, meters, loud_every;
static int qos, any;
static double *sent_at, *stored_after, *answered_after, *waiting_since;
static _Atomic long sent_count, stored_count, answered_count, asked_count;
static _Atomic int done;
static const char *mark, *store_path;
static char (*alert_of)[17];
static int answers_fd, listener;
static _Atomic int readings_fd = -1;

static void precise_sleep(double until) {
    struct timespec t = {(time_t)until, (long)((until - (double)(time_t)until) * 1e9)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void *watch_store(void *unused) {
    (void)unused;
    prctl(PR_SET_TIMERSLACK, 1000);
    sqlite3 *db;
    sqlite3_stmt *count;
    if (sqlite3_open_v2(store_path, &db, SQLITE_OPEN_READONLY, NULL)) fail("store");
    sqlite3_busy_timeout(db, 1000);
    if (sqlite3_prepare_v2(db, "SELECT stored FROM message_count WHERE kind = 'noise'", -1, &count, NULL)) fail("count");
    long seen = 0;
    while (!done && seen < total) {
        long now_seen = seen;
        if (sqlite3_step(count) == SQLITE_ROW) now_seen = sqlite3_column_int64(count, 0);
        double now = seconds_now();
        sqlite3_reset(count);
        for (; seen < now_seen && seen < total; seen++) stored_after[seen] = now - sent_at[seen];
        stored_count = seen;
        precise_sleep(now + LOOK_MICROSECONDS * 1e-6);
    }
    sqlite3_finalize(count);
    sqlite3_close(db);
    return NULL;
}

/* The 16 digits by which an alert `a…` and its task `t…` are known. */
static const uint8_t *subject(const struct packet *p) {
    const uint8_t *at = memmem(p->body, p->body_bytes, "\"subject\":\"", 11);
    return at && at + 28 <= p->body + p->body_bytes ? at + 12 : NULL;
}

static long meter_of(const struct packet *p) {
    const uint8_t *meter = memmem(p->body, p->body_bytes, "meter-", 6), *id = subject(p);
    if (meter && meter + 12 <= p->body + p->body_bytes) {
        char digits[7] = {0};
        memcpy(digits, meter + 6, 6);
        long device = strtol(digits, NULL, 10);
        if (device < meters && id) memcpy(alert_of[device], id, 16);
        return device;
    }
    for (long device = 0; id && device < meters; device++)
        if (waiting_since[device] != 0 && !memcmp(alert_of[device], id, 16)) return device;
    return meters;
}

static void take_answer(const struct packet *p, double now) {
    size_t topic = (size_t)(p->body[0] << 8 | p->body[1]) + 2;
    long device = meter_of(p);
    if (!any && !memmem(p->body + topic, p->body_bytes - topic, mark, strlen(mark))) return;
    if (device >= meters || waiting_since[device] == 0) return;
    double waited = now - waiting_since[device];
    waiting_since[device] = 0;
    answered_after[answered_count] = waited;
    answered_count++;
}

static void *watch_answers(void *unused) {
    (void)unused;
    struct inbox inbox = {0};
    while (inbox_fill(&inbox, answers_fd)) {
        double now = seconds_now();
        struct packet p;
        size_t at = 0;
        while (inbox_next(&inbox, &at, &p))
            if (p.type == PUBLISH) take_answer(&p, now);
        inbox_drop(&inbox, at);
    }
    return NULL;
}

static void subscribe_answers(const char *host, int port, const char *filter) {
    answers_fd = mqtt_connect(host, port, "bench-answers");
    uint8_t packet[300], body[300] = {0, 1};
    size_t n = 2 + put_text(body + 2, filter, strlen(filter));
    body[n++] = 0;
    size_t head = put_header(packet, SUBSCRIBE << 4 | 2, n);
    memcpy(packet + head, body, n);
    send_all(answers_fd, packet, head + n);
    if (recv(answers_fd, packet, 5, MSG_WAITALL) != 5 || packet[4] == 0x80) fail("subscription refused");
}

/* The broker's part with all but the readings, which the main thread sends. */
static void serve_packet(int fd, const struct packet *p, double now) {
    broker_answer(fd, p, qos);
    if (asks_for_readings(p)) readings_fd = fd;
    if (p->type != PUBLISH) return;
    const uint8_t *id = p->body + 2 + (p->body[0] << 8 | p->body[1]);
    if (p->flags >> 1 & 3) send_all(fd, (const uint8_t[]){PUBACK << 4, 2, id[0], id[1]}, 4);
    take_answer(p, now);
}

static void *serve(void *unused) {
    (void)unused;
    struct pollfd polled[CONNECTIONS + 1] = {{listener, POLLIN, 0}};
    static struct inbox inboxes[CONNECTIONS + 1];
    int connections = 0, one = 1;
    while (!done) {
        if (poll(polled, (nfds_t)connections + 1, 100) <= 0) continue;
        double now = seconds_now();
        for (int i = 1; i <= connections; i++) {
            struct packet p;
            size_t at = 0;
            if (!(polled[i].revents & (POLLIN | POLLHUP | POLLERR))) continue;
            if (!inbox_fill(&inboxes[i], polled[i].fd)) polled[i].fd = -1;
            while (inbox_next(&inboxes[i], &at, &p)) serve_packet(polled[i].fd, &p, now);
            inbox_drop(&inboxes[i], at);
        }
        if (!(polled[0].revents & POLLIN)) continue;
        if (connections == CONNECTIONS) fail("more connections than expected");
        polled[++connections] = (struct pollfd){accept(listener, NULL, NULL), POLLIN, 0};
        setsockopt(polled[connections].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    return NULL;
}

/* Listens on a free port of loopback, which it prints. */
static void listen_as_broker(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_bytes = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, CONNECTIONS)) fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &address_bytes);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

/* Waits for who subscribes to readings and sends the recording at `path`. */
static int send_before(const char *path) {
    struct packets before = encode_recording(path, qos);
    while (readings_fd < 0) precise_sleep(seconds_now() + 0.01);
    send_all(readings_fd, before.bytes, before.ends[before.count - 1]);
    precise_sleep(seconds_now() + SETTLE_SECONDS);
    return readings_fd;
}

/* Appends reading `i` to what is sent next; returns the bytes. */
static size_t put_reading(uint8_t *packet, long i) {
    struct timespec wall;
    char topic[64], payload[96];
    long device = i % meters, second = i / meters;
    int loud = (device + second) % loud_every == 0;
    clock_gettime(CLOCK_REALTIME, &wall);
    int topic_bytes = snprintf(topic, sizeof topic, "patrol/v1/in/gw-00/noise/meter-%06ld", device);
    int payload_bytes = snprintf(payload, sizeof payload, "{\"ts\":%lld,\"laeq\":%s,\"seq\":%ld}",
                                 (long long)wall.tv_sec * 1000 + wall.tv_nsec / 1000000, loud ? "82.5" : "51.5", i + 1);
    double now = seconds_now();
    sent_at[i] = now;
    if (i >= warm_up && (any || loud)) waiting_since[device] = now, asked_count++;
    return put_publish(packet, topic, (size_t)topic_bytes, payload, (size_t)payload_bytes, qos, (unsigned)(i % 65535 + 1));
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_spread(const char *name, double *values, long n) {
    qsort(values, (size_t)n, sizeof *values, compare);
    if (!n) printf(", \"%s\": null", name);
    else
        printf(", \"%s\": {\"count\": %ld, \"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}", name, n,
               values[n / 2] * 1e3, values[n * 99 / 100] * 1e3, values[n - 1] * 1e3);
}

int main(int argc, char **argv) {
    if (argc < 10) return fprintf(stderr, "usage: latency HOST PORT QOS RATE SECONDS LOUD STORE FILTER MARK\n"), 2;
    qos = atoi(argv[3]);
    meters = atol(argv[4]);
    total = meters * atol(argv[5]);
    warm_up = meters * WARM_UP_SECONDS;
    loud_every = atol(argv[6]);
    store_path = argv[7];
    mark = argv[9];
    any = !strcmp(mark, "-");
    sent_at = calloc((size_t)total, sizeof *sent_at);
    stored_after = calloc((size_t)total, sizeof *stored_after);
    answered_after = calloc((size_t)total, sizeof *answered_after);
    waiting_since = calloc((size_t)meters, sizeof *waiting_since);
    alert_of = calloc((size_t)meters, sizeof *alert_of);
    int has_store = strcmp(store_path, "-") != 0, is_broker = !strcmp(argv[1], "-");
    pthread_t store_thread, answers_thread;
    if (is_broker) listen_as_broker();
    else subscribe_answers(argv[1], atoi(argv[2]), argv[8]);
    pthread_create(&answers_thread, NULL, is_broker ? serve : watch_answers, NULL);
    if (has_store) pthread_create(&store_thread, NULL, watch_store, NULL);
    int fd = is_broker ? send_before(argv[2]) : mqtt_connect(argv[1], atoi(argv[2]), "bench-publisher");
    prctl(PR_SET_TIMERSLACK, 1000);
    uint8_t ignored[4096];
    double start = seconds_now() + 0.1;
    long at_once = meters / WAKES_PER_SECOND;
    at_once = at_once < 1 ? 1 : at_once > MOST_AT_ONCE ? MOST_AT_ONCE : at_once;
    static uint8_t packets[MOST_AT_ONCE * 256];
    for (long i = 0; i < total;) {
        precise_sleep(start + (double)i / (double)meters);
        size_t n = 0;
        for (long last = i + at_once; i < last && i < total; i++) n += put_reading(packets + n, i);
        send_all(fd, packets, n);
        sent_count = i;
        while (!is_broker && recv(fd, ignored, sizeof ignored, MSG_DONTWAIT) > 0) {}
    }
    for (double end = seconds_now() + PATIENCE_SECONDS; seconds_now() < end;) {
        if ((!has_store || stored_count == total) && answered_count >= asked_count) break;
        precise_sleep(seconds_now() + 0.01);
        while (!is_broker && recv(fd, ignored, sizeof ignored, MSG_DONTWAIT) > 0) {}
    }
    done = 1;
    if (has_store) pthread_join(store_thread, NULL);
    if (!is_broker) shutdown(answers_fd, SHUT_RDWR);
    pthread_join(answers_thread, NULL);
    printf("{\"sent\": %ld, \"stored\": %ld, \"answers_expected\": %ld", total, (long)stored_count, (long)asked_count);
    print_spread("stored_ms", stored_after + warm_up, stored_count > warm_up ? stored_count - warm_up : 0);
    print_spread("answered_ms", answered_after, answered_count);
    printf("}\n");
    return 0;
}
