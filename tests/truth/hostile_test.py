"""A process that claims to be CPython and lies in every pointer, size and count ends a command with an error or a result
that says what it lacks: no crash, no hang, no memory without bound.

None of this depends on an interpreter: the target (tests/targets/hostile_runtime.cpp) is none.
"""

import os
import unittest
from pathlib import Path

import harness.truth
from harness.process import Speaker, state_of, wait_until
from harness.truth import BIN, FULL, TruthTest
from harness.wire_client import WireClient, compile_schema

LAYOUTS = ("3.8", "3.11", "3.12", "3.13", "3.13t", "3.14")
VALUES = ("0", "itself", "its_object", "thread", "unaligned", "unmapped", "kernel", "page_end", "1", "3", "0x7F")
VALUES += ("0x7FFFFFFF", "0x80000000", "0xFFFFFFFF", "0x1000000000000000", "0x7FFFFFFFFFFFFFFF", "0x8000000000000000")
VALUES += ("0xFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFF9")
# CPU time, not that of the wall: the machine may be busy with others.
LONGEST = 1.0  # seconds for a dump, or beyond a command's duration
MOST_MEMORY = 64 << 10  # KiB of snagd
SANITIZED = "asan" in str(BIN) or "tsan" in str(BIN)  # these need time and memory of their own
STACK = ["pay", "checkout", "_run_once", "run_forever", "<module>"]
TICK = os.sysconf("SC_CLK_TCK")


def cpu_time(pid):
    """Seconds of all threads of the process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def most_memory(pid):
    """KiB that were resident at most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


class HostileProcess(Speaker):
    def __init__(self, layout):
        own_name = "hostile-python3.8" if layout == "3.8" else "hostile-python"
        super().__init__([BIN / own_name, layout])
        ready = self.wait_for("ready")
        self.fields, self.modes = ready["fields"], ready["modes"]

    def obey(self, *words):
        self.tell(" ".join(words))
        assert self.wait_for("done")["obeyed"], words


class Hostile(TruthTest):
    @classmethod
    def setUpClass(cls):
        cls.schema = compile_schema()

    def setUp(self):
        self.path = self.folder() / "snagd.sock"
        self.daemon = self.start("snagd", "--socket", self.path)
        self.addCleanup(self.assert_daemon_is_well)
        self.client = self.connect()

    def connect(self):
        self.assertTrue(wait_until(self.path.exists), self.daemon.stderr)
        client = WireClient(self.schema, self.path)
        self.addCleanup(client.close)
        client.greet()
        return client

    def hostile(self, layout):
        target = HostileProcess(layout)
        self.addCleanup(target.close)
        return target

    def assert_daemon_is_well(self):
        self.assertNotEqual(state_of(self.daemon.pid), "", f"snagd has ended: {self.daemon.stderr[-2000:]}")
        memory = most_memory(self.daemon.pid)
        self.figure("memory of snagd", f"{memory >> 10} MiB at most")
        if not SANITIZED:
            self.assertLess(memory, MOST_MEMORY)

    def ask(self, what, beyond=0.0, client=None, **request):
        """All answers to a request, which must not cost more than it may."""
        client = client or self.client
        before = cpu_time(self.daemon.pid)
        client.send(**request)
        answers = client.receive_answer()
        spent = cpu_time(self.daemon.pid) - before - beyond
        if spent > float(self.figures.get("dearest", "0").split()[0]):
            self.figure("dearest", f"{spent:.2f} s of CPU: {what}")
        if not SANITIZED:
            self.assertLess(spent, LONGEST, f"{what}: CPU time of snagd")
        return answers

    def dump(self, target, what):
        return self.ask(what, dump=self.schema.Dump(pids=[target.pid]))

    def assert_sound(self, target, layout):
        answers = self.dump(target, f"{layout} sound")
        threads = [message for kind, message in answers if kind == "thread"]
        self.assertEqual(len(threads), 1, answers)
        names = [frame.function.rpartition(".")[2] for frame in threads[0].stack if frame.kind == self.schema.Frame.PYTHON]
        self.assertEqual(names, STACK)
        self.assertTrue(threads[0].complete)

    def test_the_process_is_sound_while_it_does_not_lie(self):
        for layout in LAYOUTS:
            with self.subTest(layout):
                self.assert_sound(self.hostile(layout), layout)

    def test_each_field_in_turn(self):
        dumps = 0
        for layout in LAYOUTS:
            target = self.hostile(layout)
            for field in target.fields:
                # Of the offsets that a target states of itself, the fuzzer tries more.
                for value in VALUES[:: 4 if field.startswith("offsets.") and not FULL else 1]:
                    target.obey("set", field, value)
                    self.dump(target, f"{layout}: {field} is {value}")
                    dumps += 1
                    target.obey("restore")
            self.assert_sound(target, layout)
        self.figure("dumps of one lie", dumps)

    def test_structures_without_end(self):
        for layout in LAYOUTS:
            target = self.hostile(layout)
            for mode in target.modes:
                with self.subTest(f"{layout} {mode}"):
                    target.obey("mode", mode)
                    self.dump(target, f"{layout}: {mode}")
            target.obey("restore")
            self.assert_sound(target, layout)

    @unittest.skipUnless(FULL, "in the long form only: recording deep stacks still takes more than 64 MiB")
    def test_every_command_ends_in_time(self):
        for layout in LAYOUTS if FULL else ("3.8", "3.13"):
            target = self.hostile(layout)
            clients = [self.connect() for _ in range(2)]
            for mode in target.modes:
                with self.subTest(f"{layout} {mode}"):
                    target.obey("mode", mode)
                    self.watch_and_record(target, clients, f"{layout}: {mode}")
                    for request in ({"list_processes": self.schema.ListProcesses()},
                                    {"diagnose": self.schema.Diagnose(pid=target.pid)}):  # fmt: skip
                        self.ask(f"{layout}: {mode}: {next(iter(request))}", **request)

    def watch_and_record(self, target, clients, what):
        """`stalls` and `record` at once, each for a part of a second."""
        lasting = {"nanos": 500_000_000}
        requests = (
            {"watch_stalls": self.schema.WatchStalls(pids=[target.pid], threshold={"nanos": 50_000_000}, duration=lasting)},
            {"record": self.schema.Record(pids=[target.pid], rate=100, duration=lasting)},
        )  # fmt: skip
        before = cpu_time(self.daemon.pid)
        for client, request in zip(clients, requests):
            client.send(**request)
        for client in clients:
            client.receive_answer()
        if not SANITIZED:
            allowed = 2 * (0.5 + LONGEST)
            self.assertLess(cpu_time(self.daemon.pid) - before, allowed, f"{what}: CPU time of stalls and record")


if __name__ == "__main__":
    harness.truth.main("hostile")
