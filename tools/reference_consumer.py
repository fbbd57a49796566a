#!/usr/bin/env python3
"""A consumer of Patrol's events that keeps alerts and tasks in an SQLite of its own: each event is applied exactly once,
whatever crashes on either side. Read it, then write yours; it needs nothing but Python.

    reference_consumer.py --db mine.db --pull http://127.0.0.1:8080          asks for what is new, waiting for it
    reference_consumer.py --db mine.db --listen 9000 --secret-file key.txt   is sent webhooks (Standard Webhooks)

The whole secret: what an event changes and the place that was reached are committed in one transaction. Killed before
the commit, the event comes again; killed after it, its id is known.
"""
import argparse, base64, hashlib, hmac, http.server, json, sqlite3, sys, threading, time
import urllib.error, urllib.parse, urllib.request

OLDEST_SECONDS = 300  # a webhook signed longer ago is refused: somebody has kept it to send it again

TABLES = """
CREATE TABLE IF NOT EXISTS place (only INTEGER PRIMARY KEY CHECK (only = 1), id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS applied (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, subject TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS alert (id TEXT PRIMARY KEY, state TEXT NOT NULL, area TEXT, severity TEXT, event TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS task (id TEXT PRIMARY KEY, stage TEXT NOT NULL, unit TEXT, alert_id TEXT, event TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trouble (at REAL NOT NULL, what TEXT NOT NULL);
"""


def open_database(path):
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.executescript(TABLES)
    return db


def apply(db, event):
    """What an event means here, inside the open transaction; False where it is known already."""
    row = (event["id"], int(event["sequence"]), event["subject"])
    if db.execute("INSERT OR IGNORE INTO applied VALUES (?, ?, ?)", row).rowcount == 0:
        return False
    data, text = event["data"], json.dumps(event["data"], ensure_ascii=False, sort_keys=True)
    kind = event["type"].split(".")[1]
    if kind == "alert" and "state" in data:
        db.execute("INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?)",
                   (data["id"], data["state"], data.get("area"), data.get("severity"), text))
    elif kind == "task" and "stage" in data:
        db.execute("INSERT OR REPLACE INTO task VALUES (?, ?, ?, ?, ?)",
                   (data["id"], data["stage"], data.get("unit"), data.get("alert_id"), text))
    return True  # a type that is not known is no error: new ones may come


def fetch(url, after, wait):
    query = urllib.parse.urlencode({"after": after, "limit": 500, "wait": wait})
    with urllib.request.urlopen(f"{url}/api/v1/events?{query}", timeout=wait + 30) as answer:
        return json.load(answer)


def take(db, answer):
    """One page in one transaction, with the place behind it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if "reset" in answer:
            # Patrol was restored from a backup: what came after it never happened. Begin again from the oldest event.
            db.execute("INSERT INTO trouble VALUES (?, ?)", (time.time(), json.dumps(answer["reset"])))
            for table in ("applied", "alert", "task"):
                db.execute(f"DELETE FROM {table}")
            db.execute("INSERT OR REPLACE INTO place VALUES (1, '0')")
        else:
            if "gone" in answer:  # away too long: these are no longer kept
                db.execute("INSERT INTO trouble VALUES (?, ?)", (time.time(), json.dumps(answer["gone"])))
            for event in answer["items"]:
                apply(db, event)
            db.execute("INSERT OR REPLACE INTO place VALUES (1, ?)", (answer["next"],))
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def pull(db, url, once):
    pause = 0.2
    while True:
        try:
            row = db.execute("SELECT id FROM place").fetchone()
            answer = fetch(url, row[0] if row else "0", 0 if once else 30)
            pause = 0.2
        except (OSError, ValueError, urllib.error.URLError) as error:
            if once:
                sys.exit(f"{url}: {error}")
            print(f"{url}: {error}; again in {pause:.1f} s", file=sys.stderr)
            time.sleep(pause)
            pause = min(pause * 2, 5)
            continue
        take(db, answer)
        if once and not answer["items"] and "reset" not in answer:
            return


def verify(headers, body, keys, now):
    """Why a request is refused; None where it is genuine and new."""
    identity, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(now - int(stamp)) > OLDEST_SECONDS:
        return "the timestamp is missing or too old"
    content = f"{identity}.{stamp}.".encode() + body
    given = [part[3:] for part in headers.get("webhook-signature", "").split(" ") if part.startswith("v1,")]
    for key in keys:
        right = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        if any(hmac.compare_digest(right, one) for one in given):
            return None
    return "no signature is right"


def receiver(db, keys, lock=threading.Lock()):
    class Receiver(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            problem = verify(self.headers, body, keys, time.time())
            code = 401
            if problem is None:
                event = json.loads(body)
                with lock:
                    db.execute("BEGIN IMMEDIATE")
                    code = 204 if event["type"] == "patrol.test" or apply(db, event) else 208  # 208: applied before
                    db.execute("COMMIT")
            self.send_response(code, problem)
            self.send_header("content-length", "0")
            self.end_headers()

        log_message = lambda self, *_: None

    return Receiver


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", required=True)
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--pull", metavar="URL")
    way.add_argument("--listen", metavar="PORT", type=int)
    parser.add_argument("--secret-file", action="append", default=[], help="several while keys are changed")
    parser.add_argument("--once", action="store_true", help="end when there is nothing more")
    options = parser.parse_args()
    db = open_database(options.db)
    if options.pull:
        return pull(db, options.pull.rstrip("/"), options.once)
    keys = [base64.b64decode(open(path).read().strip().removeprefix("whsec_")) for path in options.secret_file]
    http.server.ThreadingHTTPServer(("127.0.0.1", options.listen), receiver(db, keys)).serve_forever()


if __name__ == "__main__":
    main()
