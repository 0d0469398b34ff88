"""Functions that block the thread that calls them, each in its own way, and what Snag should say of each.

The line that blocks carries the mark that wire.marked_lines() looks for. They read like what people write in handlers:
no line of them knows of Snag.
"""

import os
import queue
import socket
import subprocess
import sys
import threading
import time
from time import sleep

from wire import marked_lines, name_in_snag

CRUNCH_SAMPLE = 200_000


def sleep_in_handler(seconds):
    time.sleep(seconds)  # blocks


def sleep_by_its_own_name(seconds):
    sleep(seconds)  # blocks


class Payment:
    """A method, and a call that spans lines: its line is where the call begins."""

    def settle(self, seconds):
        attempts = 1
        time.sleep(  # blocks
            seconds
            * attempts
        )


def make_closure():
    def wait_inside(seconds):
        time.sleep(seconds)  # blocks

    return wait_inside


def crunch(rounds):
    total = 0
    for number in range(rounds):  # blocks
        total += number * number % 7  # blocks
    return total


def crunch_nested_loops(rounds):
    total = 0
    for number in range(rounds // 100):  # blocks
        for other in range(100):  # blocks
            if other % 3:  # blocks
                total ^= number  # blocks
            else:
                total += other  # blocks
    return total


def run_child_program(seconds):
    subprocess.run(["sleep", "%.3f" % seconds], check=True)  # blocks


class LateSocket:
    """A socket whose peer, a thread of this process, sends a byte only after a while."""

    def __init__(self):
        self._here, self._there = socket.socketpair()
        self._orders = queue.Queue()
        threading.Thread(target=self._serve, name="late-peer", daemon=True).start()

    def _serve(self):
        while True:
            time.sleep(self._orders.get())
            self._there.send(b"x")

    def receive(self, seconds):
        self._orders.put(seconds)
        return self._here.recv(1)  # blocks


class LatePipe:
    """A pipe into which a child process writes a byte only after a while."""

    CHILD = "import os,sys,time\nfor order in sys.stdin:\n  time.sleep(float(order)); os.write(1, b'x')"

    def __init__(self):
        self._child = subprocess.Popen(
            [sys.executable, "-S", "-c", self.CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._end = self._child.stdout.fileno()
        self.read(0)  # the child has started

    def read(self, seconds):
        os.write(self._child.stdin.fileno(), b"%.6f\n" % seconds)
        return os.read(self._end, 1)  # blocks

    def close(self):
        self._child.stdin.close()
        self._child.wait()
        self._child.stdout.close()


class Blocker:
    """One way to block, and the truth about it: the culprit's function and lines, the names its call may have."""

    def __init__(self, kind, function, calls, prepare=lambda seconds: seconds):
        self.kind = kind
        self.calls = calls  # accepted for Stall.blockingCall; "" is the culprit's own code
        self._function = function
        self._prepare = prepare
        plain = getattr(function, "__func__", function)
        self.file = plain.__code__.co_filename
        self.function = name_in_snag(plain.__code__)
        self.lines = marked_lines(plain)

    def __call__(self, seconds):
        self._function(self._prepare(seconds))


def rounds_per_second(function):
    """Calibrated, not timed while it runs: a look at the clock would be a call that is not the culprit's own code."""
    best = 0.0
    for _ in range(3):
        start = time.perf_counter()
        function(CRUNCH_SAMPLE)
        best = max(best, CRUNCH_SAMPLE / (time.perf_counter() - start))
    return best


def cpu_blocker(kind, function):
    rate = rounds_per_second(function)
    return Blocker(kind, function, [""], prepare=lambda seconds: int(seconds * rate))


class Blockers:
    def __init__(self):
        self._late_pipe = LatePipe()
        self.all = [
            Blocker("sleep", sleep_in_handler, ["time.sleep"]),
            Blocker("sleep by name", sleep_by_its_own_name, ["time.sleep"]),
            Blocker("sleep in a method", Payment().settle, ["time.sleep"]),
            Blocker("sleep in a closure", make_closure(), ["time.sleep"]),
            cpu_blocker("cpu", crunch),
            cpu_blocker("cpu, nested loops", crunch_nested_loops),
            Blocker("socket", LateSocket().receive, ["socket.recv"]),
            Blocker("pipe", self._late_pipe.read, ["os.read", "posix.read"]),
            Blocker("library", run_child_program, ["subprocess.run"]),
        ]

    def close(self):
        self._late_pipe.close()
