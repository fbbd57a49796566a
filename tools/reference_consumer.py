#!/usr/bin/env python3
"""A consumer of Patrol's events with an SQLite of its own: each is applied exactly once, whatever crashes on either side.

    reference_consumer.py --db mine.db --pull http://127.0.0.1:8080          asks for what is new, waiting for it
    reference_consumer.py --db mine.db --listen 9000 --secret-file key.txt   is sent webhooks (Standard Webhooks)
    … --answer patrol.db.token     also tells Patrol its own number of each task, and that it has accepted it

The whole secret: what an event changes and the place that was reached are committed in one transaction. Killed before
the commit, the event comes again; killed after it, its id is known. What is to be answered is committed there too.
"""
import argparse, base64, hashlib, hmac, http.server, json, sqlite3, sys, threading, time
import urllib.error, urllib.parse, urllib.request

OLDEST_SECONDS = 300  # a webhook signed longer ago is refused: somebody has kept it to send it again
TABLES = """
CREATE TABLE IF NOT EXISTS place (only INTEGER PRIMARY KEY CHECK (only = 1), id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS applied (id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, subject TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS alert (id TEXT PRIMARY KEY, state TEXT NOT NULL, area TEXT, severity TEXT, event TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS task (id TEXT PRIMARY KEY, stage TEXT NOT NULL, unit TEXT, alert_id TEXT, event TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS mine (number INTEGER PRIMARY KEY, task TEXT NOT NULL UNIQUE, told TEXT);
CREATE TABLE IF NOT EXISTS trouble (at REAL NOT NULL, what TEXT NOT NULL);
"""


def open_database(path):
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + TABLES)
    return db


def apply(db, event):
    """What an event means here, inside the open transaction; False where it is known already."""
    if db.execute("INSERT OR IGNORE INTO applied VALUES (?, ?, ?)",
                  (event["id"], int(event["sequence"]), event["subject"])).rowcount == 0:
        return False
    data, text = event["data"], json.dumps(event["data"], ensure_ascii=False, sort_keys=True)
    kind = event["type"].split(".")[1]
    if kind == "alert" and "state" in data:
        db.execute("INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?)",
                   (data["id"], data["state"], data.get("area"), data.get("severity"), text))
    elif kind == "task" and "stage" in data:
        db.execute("INSERT OR REPLACE INTO task VALUES (?, ?, ?, ?, ?)",
                   (data["id"], data["stage"], data.get("unit"), data.get("alert_id"), text))
        db.execute("INSERT OR IGNORE INTO mine (task) VALUES (?)", (data["id"],))  # its number is our number of the task
    return True  # a type that is not known is no error: new ones may come


def answer(db, token_file):
    """Tells Patrol our number and stage of each task; told twice, it changes nothing."""
    url, token = open(token_file).read().split("\n")[:2]  # Patrol writes it anew at each start
    for number, task in db.execute("SELECT number, task FROM mine WHERE told IS NULL").fetchall():
        body = json.dumps({"as": "reference", "number": f"R-{number}", "stage": "accepted"}).encode()
        request = urllib.request.Request(f"{url}/api/v1/tasks/{task}/external", body, {"authorization": f"Bearer {token}"})
        try:
            told = urllib.request.urlopen(request, timeout=10).read().decode()
        except urllib.error.HTTPError as error:
            if error.code in (401, 503):
                return  # Patrol is just starting or ending: later
            told = error.read().decode()
        db.execute("UPDATE mine SET told = ? WHERE number = ?", (told, number))


def take(db, page):
    """One page in one transaction, with the place behind it."""
    with db:  # commits, or rolls back
        db.execute("BEGIN IMMEDIATE")
        if "reset" in page:
            # Patrol was restored from a backup: what came after it never happened. Begin again from the oldest event.
            for change in ("DELETE FROM applied", "DELETE FROM alert", "DELETE FROM task", "UPDATE mine SET told = NULL"):
                db.execute(change)
        for what in ("reset", "gone"):  # gone: away too long, these are no longer kept
            if what in page:
                db.execute("INSERT INTO trouble VALUES (?, ?)", (time.time(), json.dumps(page[what])))
        for event in page["items"]:
            apply(db, event)
        db.execute("INSERT OR REPLACE INTO place VALUES (1, ?)", ("0" if "reset" in page else page["next"],))


def pull(db, url, once, token_file):
    while True:
        row = db.execute("SELECT id FROM place").fetchone()
        query = urllib.parse.urlencode({"after": row[0] if row else "0", "limit": 500, "wait": 0 if once else 30})
        try:
            with urllib.request.urlopen(f"{url}/api/v1/events?{query}", timeout=60) as response:
                page = json.load(response)
            take(db, page)
            if token_file:
                answer(db, token_file)
        except (OSError, ValueError) as error:
            if once:
                sys.exit(f"{url}: {error}")
            print(f"{url}: {error}; again in a second", file=sys.stderr)
            time.sleep(1)
            continue
        if once and not page["items"] and "reset" not in page:
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
            if problem is None:
                event = json.loads(body)
                with lock, db:
                    db.execute("BEGIN IMMEDIATE")
                    is_new = event["type"] == "patrol.test" or apply(db, event)
            self.send_response(401 if problem else 204 if is_new else 208, problem)  # 208: applied before
            self.send_header("content-length", "0")
            self.end_headers()

        log_message = lambda self, *_: None
    return Receiver


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", required=True)
    parser.add_argument("--pull", metavar="URL")
    parser.add_argument("--listen", metavar="PORT", type=int)
    parser.add_argument("--secret-file", action="append", default=[], help="several while keys are changed")
    parser.add_argument("--answer", metavar="TOKEN_FILE", help="the file that Patrol writes beside its store")
    parser.add_argument("--once", action="store_true", help="end when there is nothing more")
    options = parser.parse_args()
    db = open_database(options.db)
    if options.pull:
        return pull(db, options.pull.rstrip("/"), options.once, options.answer)
    keys = [base64.b64decode(open(path).read().strip().removeprefix("whsec_")) for path in options.secret_file]
    http.server.ThreadingHTTPServer(("127.0.0.1", options.listen), receiver(db, keys)).serve_forever()


if __name__ == "__main__":
    main()
