"""Readings out of a store and into another, reports, compact history: the commands as users run them."""
import gzip
import json
import os
import subprocess
import tempfile
import unittest

from support import patrol


class Transfer(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.store = os.path.join(self.folder.name, "a.db")
        self.addCleanup(self.folder.cleanup)

    def path(self, name, text=None):
        path = os.path.join(self.folder.name, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return path

    def sql(self, store, statement):
        return patrol("sql", statement, "--store", store, "--format", "csv").stdout

    def test_what_goes_out_comes_in_again(self):
        noise = self.path("noise.txt", "".join(
            f'patrol/v1/in/g1/noise/m{i % 3} {{"ts":{1717768800000 + i * 1000},"laeq":{40 + i % 30 / 10},"lmax":{60 + i % 7 / 8},'
            f'"battery":99.5,"seq":{i},"flags":{["[]", chr(91) + chr(34) + "rain" + chr(34) + "," + chr(34) + "wind" + chr(34) + chr(93)][i % 9 == 0]}}}\n'
            for i in range(300)))
        cams = self.path("cams.txt", "".join(
            f'patrol/v1/in/g2/bodycam/c{i % 2} {{"ts":{1717768800000 + i * 60000},"battery":{90 - i / 10},"recording":{["true", "false"][i % 2]},'
            f'"officer":"王, \\"警官\\"","boot":{i // 50},"lat":30.27,"lon":119.99,"fix_ts":{1717768800000 + i * 59000}}}\n' for i in range(100)))
        for file in (noise, cams):
            patrol("replay", file, "--into", self.store, "--quiet")
        for form in ("csv", "json"):
            other = self.path(f"{form}.db")
            for kind in ("noise", "bodycam"):
                out = patrol("db", "export", "--kind", kind, "--store", self.store, "--format", form).stdout
                file = self.path(f"{kind}.{form}.gz")
                with gzip.open(file, "wt", encoding="utf-8") as packed:
                    packed.write(out)
                done = patrol("db", "import", file, "--kind", kind, "--store", other)
                self.assertIn(" 0 refused", done.stdout)
                again = patrol("db", "import", file, "--kind", kind, "--store", other)
                self.assertIn(" 0 refused", again.stdout)
            for table in ("noise", "bodycam", "noise_1m", "noise_1h", "bodycam_1h"):
                order = "device, bucket" if "_1" in table else "device, ts"
                columns = "*" if table != "noise" and table != "bodycam" else None
                if columns is None:
                    head = self.sql(self.store, f"SELECT * FROM {table} LIMIT 1").splitlines()[0].split(",")
                    columns = ", ".join(name for name in head if name != "input")
                ask = f"SELECT {columns} FROM {table} ORDER BY {order}"
                self.assertEqual(self.sql(self.store, ask), self.sql(other, ask), (form, table))
            self.assertEqual(self.sql(other, "SELECT sum(duplicate) FROM message_count").split()[1], "400")

    def test_each_bad_line_is_told(self):
        file = self.path("bad.csv", "device,ts,laeq,seq\n"
                         "m1,1717768800000,50,1\n"
                         "m1,1717768801000,loud,2\n"
                         "m1,1717768802000,500,3\n"
                         "\n"
                         "m1,1717768803000,50\n"
                         ",1717768804000,50,4\n"
                         "m1,1717768800000,51,1\n"
                         "m1,1717768805000,50,5\n")
        done = patrol("db", "import", file, "--store", self.store)
        lines = done.stderr.splitlines()
        self.assertEqual(sorted(lines), sorted([
            f"{file}:3: m1: type (laeq)", f"{file}:4: m1: range (laeq)", f"{file}:6: 3 cells where the header has 4",
            f"{file}:7: the device is missing", f"{file}:8: m1: seq_conflict (seq)"]))
        self.assertEqual(self.sql(self.store, "SELECT count(*) FROM noise").split()[1], "2")
        wrong = self.path("bad.jsonl", '{"device":"m1","ts":1717768900000,"laeq":1}\n{"ts":1}\nno json\n{"device":"m1","ts":"x","laeq":1}\n')
        done = patrol("db", "import", wrong, "--store", self.store)
        self.assertEqual([line.split(": ")[0] for line in sorted(done.stderr.splitlines())], [f"{wrong}:{n}" for n in (2, 3, 4)])

    def test_bad_questions(self):
        self.path("x")
        patrol("replay", self.path("one.txt", 'patrol/v1/in/g/noise/meter-7 {"ts":1717768800000,"laeq":50}\n'), "--into", self.store, "--quiet")
        for arguments, words in [
            (("query", "noise", "--device", "metre-7"), "did you mean 'meter-7'"),
            (("query", "readings", "--device", "meter7"), "did you mean 'meter-7'"),
            (("query", "noise", "--since", "2024-06-08", "--until", "2024-06-07"), "--until lies before --since"),
            (("query", "noise", "--period", "2024-06-08..2024-06-07"), "is none; write"),
            (("db", "export", "--device", "meter-8"), "did you mean 'meter-7'"),
            (("report", "noise", "--device", "meter-8", "--period", "2024"), "did you mean 'meter-7'"),
            (("sql", "DELETE FROM device"), "only reads"),
        ]:
            done = patrol(*arguments, "--store", self.store)
            self.assertIn(words, done.stderr, arguments)
            self.assertNotEqual(done.returncode, 0)
        ten = patrol("query", "noise", "--period", "2016..2026", "--store", self.store, "--format", "csv").stdout
        self.assertEqual(len(ten.splitlines()), 2)
        night = patrol("query", "noise", "--period", "2024-06-07 night", "--step", "1h", "--store", self.store).stdout
        self.assertIn("2024-06-07 22:00", night)


if __name__ == "__main__":
    unittest.main()
