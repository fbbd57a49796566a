"""Receivers and readers that misbehave, all at once: the good ones get every event in time, and Patrol says what is wrong."""
import resource
import socket
import ssl
import subprocess
import threading
import time
import unittest

from support import query, until
from test_outlets import Outlets, Receiver


class BadServer(threading.Thread):
    """Takes connections and hands each to `behave(connection)`; what that does is the receiver's misbehaviour."""

    def __init__(self, behave, context=None):
        super().__init__(daemon=True)
        self.behave, self.context, self.connections = behave, context, 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            self.behave(connection)
        except (OSError, ssl.SSLError):
            pass
        finally:
            connection.close()

    def close(self):
        self.server.close()


def request(connection):
    """Reads one request to its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            raise OSError("closed")
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    while len(body) < length:
        body += connection.recv(65536)


def never(connection):
    request(connection)
    time.sleep(60)


def a_byte_a_second(connection):
    request(connection)
    for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n":
        connection.sendall(bytes([byte]))
        time.sleep(1)


def endless(connection):
    request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
    for _ in range(1024):
        connection.sendall(b"x" * (1 << 20))


def closing(connection):
    request(connection)
    connection.sendall(b"HTTP/1.1 20")


def answering(head):
    def behave(connection):
        while True:
            request(connection)
            connection.sendall(head)
    return behave


class BadReceivers(Outlets):
    def setUp(self):
        itself = []
        behaviours = {
            "never": never, "slow": a_byte_a_second, "endless": endless, "closing": closing,
            "error": answering(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"),
            "busy": answering(b"HTTP/1.1 429 Later\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n"),
            "charset": answering(b"HTTP/1.1 502 Bad\r\ncontent-type: text/plain; charset=klingon\r\ncontent-length: 4\r\n\r\n\xff\xfe\x00\x1b"),
            "redirect": lambda connection: answering(
                f"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{itself[0]}/\r\ncontent-length: 0\r\n\r\n".encode())(connection),
            "nonsense": answering(b"\x00\x01\x02 what\r\n\r\n"),
        }
        self.servers = {name: BadServer(behave) for name, behave in behaviours.items()}
        itself.append(self.servers["redirect"].port)
        for server in self.servers.values():
            self.addCleanup(server.close)
        self.good = Receiver()
        self.addCleanup(self.good.close)
        super().setUp()

    def more_settings(self):
        certificate, key = self.path("cert.pem"), self.path("key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=elsewhere", "-keyout", key,
                        "-out", certificate], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.servers["tls"] = BadServer(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), context)
        self.addCleanup(self.servers["tls"].close)
        entries = [f'    - {{ name: good, url: "http://127.0.0.1:{self.good.port}/", private_addresses: allow }}']
        for name, server in self.servers.items():
            scheme = "https" if name == "tls" else "http"
            entries.append(f'    - {{ name: {name}, url: "{scheme}://127.0.0.1:{server.port}/", private_addresses: allow, timeout: 2s }}')
        # A name that leads inside, and nobody there at all.
        entries.append(f'    - {{ name: inside, url: "http://localhost:{self.good.port}/" }}')
        entries.append('    - { name: nobody, url: "http://127.0.0.1:9/", private_addresses: allow }')
        return "outlets:\n  webhooks:\n" + "\n".join(entries) + "\n"

    def memory(self):
        """Resident kB of Patrol."""
        with open(f"/proc/{self.patrol.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def metrics(self, name):
        lines = [line for line in self.get("/metrics")[1].splitlines() if line.startswith(f"patrol_{name}{{outlet=")]
        return {line.split('"')[1].removeprefix("webhook:"): float(line.rsplit(" ", 1)[1]) for line in lines}

    def test_the_good_one_gets_everything_in_time(self):
        # Subscribers and readers that take nothing.
        deaf = socket.create_connection(("127.0.0.1", self.port))
        self.addCleanup(deaf.close)
        deaf.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x00\x00\x04deaf")
        deaf.recv(4)
        deaf.sendall(b"\x82\x14\x00\x01\x00\x0fpatrol/v1/out/#\x01")
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        before = self.memory()
        for _ in range(2000):
            reader = socket.create_connection(("127.0.0.1", self.http))
            self.addCleanup(reader.close)
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(until(lambda: "patrol_sse_readers 2000" in self.get("/metrics")[1], 30))
        total = 0
        for turn in range(5):
            devices = [f"m{turn}-{i}" for i in range(10)]
            self.alarm(*devices, resolve=True)
            total += 3 * len(devices)
            self.assertTrue(until(lambda: len({event["id"] for event in self.good.events}) >= total, 10),
                            f"{len(self.good.events)} of {total}; {self.metrics('outlet_lag_events')}")
        self.assertEqual(len(self.good.events), total, "an event came twice")
        self.assertTrue(until(lambda: self.metrics("outlet_lag_events")["mqtt"] == 0))
        # What 2,000 readers hold that take nothing: less than 128 kB each, however much they are behind.
        self.assertLess((self.memory() - before) / 2000, 128, "kB a reader")
        # The good part of the bad: who answers 2xx has taken it, whatever the body does.
        self.assertTrue(until(lambda: self.metrics("outlet_sent_total")["endless"] > 0))
        bad = ["never", "slow", "closing", "error", "charset", "redirect", "nonsense", "tls", "inside", "nobody"]
        self.assertTrue(until(lambda: all(self.metrics("outlet_failures_total")[name] > 0 for name in bad), 20),
                        self.metrics("outlet_failures_total"))
        self.assertTrue(all(self.metrics("outlet_sent_total")[name] == 0 for name in bad))
        # A redirect is not followed, one who is busy is asked once.
        self.assertEqual(query(self.store, "SELECT count(*) FROM dead_letter"), [(0,)])
        busy = self.servers["busy"].connections
        self.assertLessEqual(busy, 8)
        # None of it lasts longer than it must at the end.
        self.stop_patrol()
        self.assertBalanced(self.store)


if __name__ == "__main__":
    unittest.main()
