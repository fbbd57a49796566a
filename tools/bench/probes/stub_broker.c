/* stub_broker FILE QOS [WINDOW] [PORT]: plays the broker for one subscriber.
 *
 * Prints `port N`, answers connections, and sends the recording to the first that subscribes, as fast as it reads;
 * at QoS 1 with at most WINDOW messages not acknowledged. Prints, a JSON object a line, `first` (monotonic seconds of
 * the first message) and, with QoS 1, `seconds` to the last acknowledgement. Other connections' messages are
 * acknowledged and forgotten. Serves until SIGTERM. */
#include "mqtt.h"

enum { CONNECTIONS = 16, CHUNK_BYTES = 1 << 20 };

struct connection {
    int fd;
    struct inbox inbox;
};

static struct packets recording;
static int qos;
static size_t window = 20000;
static struct connection connections[CONNECTIONS], *subscriber;
static size_t sent_bytes, sendable, acknowledged;
static double first;

static void reply(struct connection *c, int type, const uint8_t *id) {
    uint8_t packet[4] = {(uint8_t)(type << 4 | (type == PUBREL ? 2 : 0)), 2, id[0], id[1]};
    send_all(c->fd, packet, 4);
}

static void begin(struct connection *c) {
    if (subscriber) return;
    subscriber = c;
    first = seconds_now();
    printf("{\"first\": %.6f}\n", first);
    fflush(stdout);
}

static void handle(struct connection *c, const struct packet *p) {
    broker_answer(c->fd, p, qos);
    if (asks_for_readings(p)) begin(c);
    switch (p->type) {
    case PUBREL: reply(c, PUBCOMP, p->body); break;
    case PUBLISH: {
        size_t topic = (size_t)(p->body[0] << 8 | p->body[1]);
        int level = p->flags >> 1 & 3;
        if (level) reply(c, level == 1 ? PUBACK : PUBREC, p->body + 2 + topic);
        break;
    }
    case PUBACK:
        if (c != subscriber || ++acknowledged != recording.count) break;
        printf("{\"seconds\": %.6f, \"messages\": %zu}\n", seconds_now() - first, recording.count);
        fflush(stdout);
    }
}

static void drop(struct connection *c) {
    close(c->fd);
    c->fd = -1;
    c->inbox.count = 0;
    if (c == subscriber && sent_bytes < recording.ends[recording.count - 1]) fail("the subscriber is gone");
}

static void receive(struct connection *c) {
    if (!inbox_fill(&c->inbox, c->fd)) {
        drop(c);
        return;
    }
    struct packet p;
    size_t at = 0;
    while (inbox_next(&c->inbox, &at, &p)) handle(c, &p);
    inbox_drop(&c->inbox, at);
}

/* How far the window lets it send, in bytes. */
static size_t allowed_bytes(void) {
    size_t upto = qos ? acknowledged + window : recording.count;
    return recording.ends[(upto < recording.count ? upto : recording.count) - 1];
}

static void send_some(void) {
    size_t n = sendable - sent_bytes;
    ssize_t sent = send(subscriber->fd, recording.bytes + sent_bytes, n < CHUNK_BYTES ? n : CHUNK_BYTES,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) sent_bytes += (size_t)sent;
    else if (errno != EAGAIN) drop(subscriber);
}

int main(int argc, char **argv) {
    if (argc < 3) return fprintf(stderr, "usage: stub_broker FILE QOS [WINDOW] [PORT]\n"), 2;
    qos = atoi(argv[2]);
    if (argc > 3) window = (size_t)atoll(argv[3]);
    recording = encode_recording(argv[1], qos);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)(argc > 4 ? atoi(argv[4]) : 0))};
    socklen_t address_bytes = sizeof address;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 8)) fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &address_bytes);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (int i = 0; i < CONNECTIONS; i++) connections[i].fd = -1;
    for (;;) {
        struct pollfd polled[CONNECTIONS + 1] = {{listener, POLLIN, 0}};
        if (subscriber && subscriber->fd >= 0) sendable = allowed_bytes();
        for (int i = 0; i < CONNECTIONS; i++) {
            int wants = &connections[i] == subscriber && sent_bytes < sendable;
            polled[i + 1] = (struct pollfd){connections[i].fd, POLLIN | (wants ? POLLOUT : 0), 0};
        }
        if (poll(polled, CONNECTIONS + 1, -1) < 0) continue;
        for (int i = 0; i < CONNECTIONS; i++) {
            struct connection *c = &connections[i];
            if (polled[i + 1].revents & (POLLIN | POLLHUP | POLLERR)) receive(c);
            if (c->fd >= 0 && polled[i + 1].revents & POLLOUT) send_some();
        }
        if (polled[0].revents & POLLIN) {
            int fd = accept(listener, NULL, NULL), i = 0;
            while (i < CONNECTIONS && connections[i].fd >= 0) i++;
            if (fd < 0) continue;
            if (i == CONNECTIONS) {
                close(fd);
                continue;
            }
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            connections[i].fd = fd;
        }
    }
}
