/* floor_subscribe HOST PORT COUNT QOS STORE [CLIENT_ID]: subscribes with libmosquitto and stores, in one thread.
 *
 * Acknowledgements are held back with `mosquitto_threaded_set`: they leave with `mosquitto_loop_write`, after the
 * commit. A batch is committed at BATCH_READINGS, or with the socket empty when nothing came for IDLE_MILLISECONDS or the
 * batch is BATCH_SECONDS old. Ends after COUNT readings (0: never) or at SIGTERM. */
#include <errno.h>
#include <mosquitto.h>
#include <netinet/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include "store.h"

enum { KEEP_ALIVE_SECONDS = 60, IDLE_MILLISECONDS = 1 };
#define BATCH_SECONDS 0.005

static struct store store;
static uint64_t messages;
static int qos, subscribed;
static volatile sig_atomic_t stopping;

static void on_stop(int signal) {
    (void)signal;
    stopping = 1;
}

static void on_message(struct mosquitto *m, void *context, const struct mosquitto_message *message) {
    (void)m, (void)context;
    messages++;
    const char *payload = message->payloadlen ? message->payload : ""; /* libmosquitto ends payloads with NUL */
    store_message(&store, message->topic, strlen(message->topic), payload, payload + message->payloadlen);
}

static void on_connect(struct mosquitto *m, void *context, int code) {
    (void)context;
    if (code) fail("connect", mosquitto_connack_string(code));
    mosquitto_subscribe(m, NULL, "patrol/v1/in/+/+/+", qos);
}

static void on_subscribe(struct mosquitto *m, void *context, int id, int count, const int *granted) {
    (void)m, (void)context, (void)id, (void)count, (void)granted;
    subscribed = 1;
    printf("ready\n");
    fflush(stdout);
}

/* Sends what is queued, in as few segments as TCP allows. */
static void send_queued(struct mosquitto *m) {
    int one = 1, zero = 0, socket = mosquitto_socket(m);
    setsockopt(socket, IPPROTO_TCP, TCP_CORK, &one, sizeof one);
    mosquitto_loop_write(m, 1);
    setsockopt(socket, IPPROTO_TCP, TCP_CORK, &zero, sizeof zero);
}

int main(int argc, char **argv) {
    if (argc < 6) fail("usage", "floor_subscribe HOST PORT COUNT QOS STORE [CLIENT_ID]");
    long long wanted = atoll(argv[3]);
    qos = atoi(argv[4]);
    struct sigaction stop = {.sa_handler = on_stop};
    sigaction(SIGTERM, &stop, NULL);
    store_open(&store, argv[5]);
    mosquitto_lib_init();
    struct mosquitto *m = mosquitto_new(argc > 6 ? argv[6] : "floor", false, NULL);
    mosquitto_threaded_set(m, true);
    mosquitto_connect_callback_set(m, on_connect);
    mosquitto_subscribe_callback_set(m, on_subscribe);
    mosquitto_message_callback_set(m, on_message);
    int result = mosquitto_connect(m, argv[1], atoi(argv[2]), KEEP_ALIVE_SECONDS);
    if (result) fail("connect", mosquitto_strerror(result));
    double first = 0, last = 0, batch_began = 0;
    while (!stopping && (wanted == 0 || store.total_stored < wanted)) {
        uint64_t before = messages;
        result = mosquitto_loop_read(m, 1);
        if (result) fail("read", mosquitto_strerror(result));
        if (messages > before) {
            if (batch_began == 0) batch_began = seconds_now();
            if (first == 0) first = batch_began;
            if (store.pending < BATCH_READINGS) continue;
        } else if (store.pending == 0 || seconds_now() < batch_began + BATCH_SECONDS) {
            struct pollfd readable = {mosquitto_socket(m), POLLIN, 0};
            if (poll(&readable, 1, store.pending ? IDLE_MILLISECONDS : 100) > 0) continue;
        }
        batch_began = 0;
        store_commit(&store);
        last = seconds_now();
        send_queued(m);
        mosquitto_loop_misc(m);
    }
    mosquitto_disconnect(m);
    send_queued(m);
    store_close(&store);
    printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"stored\": %lld}\n", last - first, cpu_seconds(),
           (long long)store.total_stored);
    return 0;
}
