"""A child process that prints one JSON object a line, and what /proc tells of any process."""

import json
import os
import queue
import select
import signal
import subprocess
import threading
import time
from pathlib import Path

PATIENCE = 30.0  # seconds; far beyond anything that should ever take so long, also on a loaded machine


class Gone(Exception):
    """The process ended, or said nothing more, before it said what was waited for."""


class Speaker:
    """A child whose stdout is JSON lines: `{kind: {…}}`. All lines and all of stderr are kept.

    With a `stdout` of the caller's own, nothing is heard of it but its errors.
    """

    def __init__(self, command, **options):
        self.command = [str(word) for word in command]
        self.lines = []  # raw, as they came
        self.stderr = ""
        self._fresh = queue.Queue()
        self.process = subprocess.Popen(
            self.command,
            **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options},
        )
        readers = [self._hear_errors] + ([self._hear] if self.process.stdout else [])
        self._readers = [threading.Thread(target=reader, daemon=True) for reader in readers]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self):
        return self.process.pid

    def _hear(self):
        for line in self.process.stdout:
            self.lines.append(line)
            self._fresh.put(line)
        self._fresh.put(None)

    def _hear_errors(self):
        for line in self.process.stderr:
            self.stderr += line

    def wait_for(self, kind, accept=lambda fields: True, timeout=PATIENCE):
        """The fields of the next object of this kind that is accepted; the others are passed over."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._fresh.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise Gone(f"{self}: no {kind!r} within {timeout:.0f} s; stderr: {self.stderr!r}") from None
            if line is None:
                self._fresh.put(None)
                raise Gone(f"{self}: ended without {kind!r}; stderr: {self.stderr!r}")
            fields = json.loads(line).get(kind)
            if fields is not None and accept(fields):
                return fields

    def objects(self, kind):
        """All objects of this kind so far. Every line must be one JSON object with one key."""
        parsed = [json.loads(line) for line in list(self.lines)]
        return [entry[kind] for entry in parsed if kind in entry]

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def signal(self, number):
        self.process.send_signal(number)

    def finish(self, timeout=PATIENCE):
        """Waits for its end; the exit status, negative for a signal."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Gone(f"{self}: still runs after {timeout:.0f} s; stderr: {self.stderr!r}") from None
        for reader in self._readers:
            reader.join(timeout)
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.send_signal(signal.SIGCONT)
        self.process.wait()
        for reader in self._readers:
            reader.join(PATIENCE)
        for stream in filter(None, (self.process.stdin, self.process.stdout, self.process.stderr)):
            try:
                stream.close()
            except BrokenPipeError:
                pass  # what was still to be told to it

    def __str__(self):
        return f"{Path(self.command[0]).name} {' '.join(self.command[1:])} (pid {self.pid})"


def state_of(pid):
    """The kernel's letter for the process: R, S, D, T, t, Z; empty when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return stat.rpartition(")")[2].split()[0]


def tracer_of(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("TracerPid:")[2].split()[0])


def thread_states(pid):
    """{tid: letter}"""
    states = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            states[int(task.name)] = (task / "stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            pass  # the thread has ended meanwhile
    return states


def processes_with_environment(entry):
    """Pids, zombies excepted, that were started with this NAME=VALUE, however they were re-parented."""
    found = []
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit():
            continue
        try:
            environment = (directory / "environ").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if entry.encode() in environment and state_of(directory.name) != "Z":
            found.append(int(directory.name))
    return found


def wait_until(predicate, timeout=PATIENCE, every=0.01):
    """For what nothing announces: looks again and again. The predicate's last word."""
    deadline = time.monotonic() + timeout
    while not (answer := predicate()) and time.monotonic() < deadline:
        time.sleep(every)
    return answer


def wait_until_gone(pid, timeout=PATIENCE):
    """True when the process has ended within the time; waits on its pidfd, so that nothing is polled."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout)[0])
    finally:
        os.close(descriptor)
