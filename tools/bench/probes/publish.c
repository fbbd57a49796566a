/* publish HOST PORT FILE QOS [WINDOW]: publishes a recording as fast as the broker takes it.
 *
 * At QoS 1 with at most WINDOW messages not acknowledged. Prints `first` (monotonic seconds of the first message) and
 * at the end `seconds`, JSON objects, a line each. */
#include "mqtt.h"

int main(int argc, char **argv) {
    if (argc < 5) return fprintf(stderr, "usage: publish HOST PORT FILE QOS [WINDOW]\n"), 2;
    int qos = atoi(argv[4]);
    size_t window = argc > 5 ? (size_t)atoll(argv[5]) : 1000;
    struct packets recording = encode_recording(argv[3], qos);
    int fd = mqtt_connect(argv[1], atoi(argv[2]), "bench-publisher");
    struct inbox inbox = {0};
    size_t sent = 0, acknowledged = 0, total = recording.ends[recording.count - 1];
    double first = seconds_now();
    printf("{\"first\": %.6f}\n", first);
    fflush(stdout);
    while (sent < total || (qos && acknowledged < recording.count)) {
        size_t upto = qos && acknowledged + window < recording.count ? acknowledged + window : recording.count;
        size_t n = recording.ends[upto - 1] - sent;
        struct pollfd ready = {fd, POLLIN | (n ? POLLOUT : 0), 0};
        poll(&ready, 1, -1);
        if (ready.revents & (POLLIN | POLLHUP)) {
            if (!inbox_fill(&inbox, fd)) fail("the broker closed the connection");
            struct packet p;
            size_t at = 0;
            while (inbox_next(&inbox, &at, &p)) acknowledged += p.type == PUBACK;
            inbox_drop(&inbox, at);
        }
        if (n && ready.revents & POLLOUT) {
            ssize_t got = send(fd, recording.bytes + sent, n < 65536 ? n : 65536, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (got > 0) sent += (size_t)got;
            else if (errno != EAGAIN) fail("send");
        }
    }
    printf("{\"seconds\": %.6f, \"messages\": %zu}\n", seconds_now() - first, recording.count);
    send_all(fd, (const uint8_t *)"\xe0\x00", 2);
    close(fd);
    return 0;
}
