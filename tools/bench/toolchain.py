"""Compiles the C programs of this folder, on demand."""
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# name: (source, further arguments)
PROGRAMS = {
    "floor_replay": ("floors/replay.c", ["-lsqlite3", "-lm"]),
    "floor_insert": ("floors/insert.c", ["-lsqlite3", "-lm"]),
    "floor_subscribe": ("floors/subscribe.c", ["-lsqlite3", "-lmosquitto", "-lm"]),
    "floor_fence": ("floors/fence.c", []),
    "stub_broker": ("probes/stub_broker.c", []),
    "publish": ("probes/publish.c", []),
    "consumers": ("probes/consumers.c", ["-lpthread"]),
    "latency": ("probes/latency.c", ["-lsqlite3", "-lpthread"]),
    "count_allocations.so": ("probes/count_allocations.c", ["-shared", "-fPIC"]),
    "copy_signal_mask.so": ("probes/copy_signal_mask.c", ["-shared", "-fPIC"]),
}

# what must be there: Debian package
NEEDED_FILES = {"/usr/include/mosquitto.h": "libmosquitto-dev", "/usr/include/sqlite3.h": "libsqlite3-dev"}
NEEDED_COMMANDS = {"cc": "gcc", "mosquitto": "mosquitto"}


class BenchError(Exception):
    """A run that cannot be measured; the text says why."""


def mosquitto_path():
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def missing_packages():
    missing = {package for path, package in NEEDED_FILES.items() if not os.path.exists(path)}
    missing |= {
        package
        for command, package in NEEDED_COMMANDS.items()
        if not (mosquitto_path() if command == "mosquitto" else shutil.which(command))
    }
    return sorted(missing)


def compile_programs():
    """The folder with the compiled programs."""
    missing = missing_packages()
    if missing:
        raise BenchError(f"missing packages, install them: sudo apt-get install {' '.join(missing)}")
    folder = ROOT / ".build" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    for name, (source, arguments) in PROGRAMS.items():
        path, target = HERE / source, folder / name
        newest = max(f.stat().st_mtime for f in path.parent.iterdir() if f.suffix in (".c", ".h"))
        if target.exists() and target.stat().st_mtime > newest:
            continue
        command = ["cc", "-O3", "-march=x86-64-v2"] if os.uname().machine == "x86_64" else ["cc", "-O3"]
        command += ["-D_GNU_SOURCE", "-Wall", "-Wextra", "-o", str(target), str(path), *arguments]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            raise BenchError(f"{' '.join(command)}\n{result.stderr}")
    return folder
