"""Snag on a live FastAPI service: stalls as they come, a flame graph, and a summary. `./run demo` starts this.

usage: demo.py FOLDER-OF-SNAG [SECONDS]   Writes flamegraph.svg into the current directory.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"  # Debian's: its packages are what the service is made of
THRESHOLD = "100ms"
REPORT = 0.3  # seconds of CPU that the shop's report is to take
START_UP = 60.0  # seconds that the service may take
# Asked once before Snag looks: what they import at their first request would be a stall of its own.
WARM_UP = ("/products", "/products/1/delivery", "/products/2/stock", "/report/later")
PICTURE = "flamegraph.svg"


class Children:
    """What the demo started; all of it ends with the demo, however that ends."""

    def __init__(self):
        self._started = []

    def start(self, *command, **options):
        # A group of its own: Ctrl-C reaches the demo alone, which then ends its children in order, and theirs.
        child = subprocess.Popen([str(word) for word in command], text=True, start_new_session=True, **options)
        self._started.append(child)
        return child

    def end(self):
        for child in reversed(self._started):
            if child.poll() is None:
                child.terminate()
        for child in reversed(self._started):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(5)
            with contextlib.suppress(ProcessLookupError):  # what it started itself, and itself if need be
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


@contextlib.contextmanager
def children():
    started = Children()
    try:
        yield started
    finally:
        started.end()


def attach_command(binaries):
    """snag, by sudo where the kernel lets only root look at a process that one did not start oneself."""
    yama = Path("/proc/sys/kernel/yama/ptrace_scope")
    restricted = yama.exists() and yama.read_text().strip() != "0"
    return (["sudo"] if restricted and os.geteuid() != 0 else []) + [Path(binaries) / "snag"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def branches_of_the_shop():
    """As many as make its report take long enough, whatever the machine: they differ tenfold."""
    from shop import reports, settings

    began = time.process_time()
    reports.monthly_report()
    return max(1, round(settings.BRANCHES * REPORT / (time.process_time() - began)))


def start_service(started, folder):
    """(the process, its port), as soon as it answers."""
    pipe = folder / "scanner"
    os.mkfifo(pipe)
    neighbours = started.start(PYTHON, HERE / "neighbours.py", pipe, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    carrier = neighbours.stdout.readline().strip()
    port = free_port()
    environment = {
        **os.environ, "SHOP_CARRIER_URL": carrier, "SHOP_SCANNER_PIPE": str(pipe), "SHOP_DATA": str(folder),
        "SHOP_BRANCHES": str(branches_of_the_shop()),
    }  # fmt: skip
    log = open(folder / "service.log", "w")
    service = started.start(
        PYTHON, "-m", "uvicorn", "shop.main:app", "--loop", "asyncio", "--port", port, "--no-access-log",
        cwd=HERE, env=environment, stdout=log, stderr=log,
    )  # fmt: skip
    wait_for_answer(service, port, folder / "service.log")
    return service, port


def wait_for_answer(service, port, log):
    deadline = time.monotonic() + START_UP
    while service.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            for path in WARM_UP:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=START_UP).close()
            return
        time.sleep(0.05)
    sys.exit(f"the demo's service did not start:\n{log.read_text()}")


def stall_of(line):
    return json.loads(line).get("stall")


def culprit_of(stall):
    """What the summary groups by: (function and file, what it called)."""
    culprit = stall.get("culprit", {})
    path = Path(culprit.get("file", "?"))
    return f"{culprit.get('function', '?')}() {path.parent.name}/{path.name}", stall.get("blockingCall") or "its own code"


def length_of(stall):
    return float(stall["duration"][:-1])


def print_summary(stalls, served, seconds):
    total = sum(length_of(stall) for stall in stalls)
    print(f"\nA second watcher, `snag stalls --json`, counted {len(stalls)} stalls; they blocked the loop for {total:.1f} of {seconds} s:\n")
    for culprit, count in Counter(map(culprit_of, stalls)).most_common():
        longest = max(length_of(stall) for stall in stalls if culprit_of(stall) == culprit)
        print(f"  {count:3} × {culprit[0]:40} in {culprit[1]:27} up to {longest * 1000:4.0f} ms")
    failed = served.pop("(failed)", 0)
    print(f"\n{sum(served.values())} requests served, {failed} failed")
    print(f"flame graph: {Path(PICTURE).resolve()}")


def main():
    binaries, seconds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 15
    snag = attach_command(binaries)
    folder = Path(tempfile.mkdtemp(prefix="snag-demo-"))
    try:
        with children() as started:
            service, port = start_service(started, folder)
            customers = started.start(
                PYTHON, HERE / "customers.py", port, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            status = watch(started, snag, service, customers, seconds)
    except KeyboardInterrupt:
        status = 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(status)


def watch(started, snag, service, customers, seconds):
    """Shows Snag at work; the summary counts what a second, quiet watcher has seen."""
    arguments = ["stalls", service.pid, "--threshold", THRESHOLD, "--duration", f"{seconds}s"]
    print("$ snag", *arguments, flush=True)
    quiet = started.start(*snag, *arguments, "--json", stdout=subprocess.PIPE)
    # What it tells of its progress would stand between the stalls.
    recording = ("record", service.pid, "-d", f"{seconds - 2}s", "-o", PICTURE)
    profile = started.start(*snag, *recording, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    shown = started.start(*snag, *arguments)
    stalls = [stall for line in quiet.stdout if (stall := stall_of(line))]
    complaints = profile.stderr.read()
    statuses = [program.wait() for program in (quiet, profile, shown)]
    customers.stdin.close()
    print_summary(stalls, Counter(json.loads(customers.stdout.readline())), seconds)
    if any(statuses) or service.poll() is not None:
        print("the demo failed: snag ended with", *statuses, complaints, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    main()
