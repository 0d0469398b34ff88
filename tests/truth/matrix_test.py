"""One row of the closing table: one interpreter, run in one way. What Snag says of it is what it says of itself; or Snag refuses it.

The long tests hold the same on fewer interpreters to more samples and to tighter times.
"""

import json
from pathlib import Path

import harness.truth
from harness.interpreters import CONTAINER
from harness.truth import TruthTest
from stall_matching import MS, Block, Report, judge
from stall_watching import watch

BLOCK_SECONDS = 0.25
# What the machine may take from the target between its own look at the clock and its yield; the long test is strict.
DURATION_ERROR = 60 * MS
MATCH_WITHIN = 100 * MS
FAILED, NOT_PYTHON = 1, 4


def tids_in_container(pid):
    """{thread id as the container numbers it: as this machine does}"""
    numbers = {}
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        line = next(line for line in status.read_text().splitlines() if line.startswith("NSpid:"))
        numbers[int(line.split()[-1])] = int(line.split()[1])
    return numbers


def was_starved(stall):
    shares = {entry["cause"]: entry["share"] for entry in stall.get("causeShares", [])}
    return shares.get("CPU_STARVED", 0) > 0.5


class Matrix(TruthTest):
    @classmethod
    def setUpClass(cls):
        cls.parked = cls.start_for_all(harness.truth.Target, cls.interpreter, "parked.py")
        cls.told = cls.parked.first_words
        cls.dump = cls.run_for_all("dump", cls.parked.pid)
        cls.watched = None

    @classmethod
    def start_for_all(cls, kind, *arguments):
        program = kind(*arguments)
        cls.addClassCleanup(program.close)
        return program

    @classmethod
    def run_for_all(cls, *command):
        snag = cls.start_for_all(harness.truth.Program, "snag", *command, "--json")
        snag.status = snag.finish()
        return snag

    def setUp(self):
        column = self._testMethodName.partition("_")[2]
        if not self.interpreter.entry.supported and column != "attach":
            self.skipTest("Snag refuses this one")

    def process(self):
        listed = self.run_for_all("ps")
        self.assertEqual(listed.status, 0, listed.stderr)
        return next(process for process in listed.objects("process") if process["pid"] == self.parked.pid)

    def threads(self):
        """(what the interpreter says of a thread, what Snag says of it), each by the function that only this one is in."""
        self.assertEqual(self.dump.status, 0, self.dump.stderr)
        dumped = self.dump.objects("thread")
        self.assertEqual(len(dumped), len(self.told["threads"]) + 1, "the teller is there too")
        for thread in self.told["threads"]:
            scene = self.told["coroutine"] if thread["name"] == "MainThread" else thread["name"]
            found = [one for one in dumped if scene in [frame["function"] for frame in one["stack"]]]
            self.assertEqual(len(found), 1, f"threads that are in {scene}:\n{found}")
            yield thread, found[0]

    def test_attach(self):
        process = self.process()
        if not self.interpreter.entry.supported:
            self.assert_refused(process)
            return
        # Before 3.11 the exact version is no exported symbol; the minor version must be right in any case.
        version, minor = self.interpreter.version, self.interpreter.version.rpartition(".")[0]
        self.assertIn(process["version"], (version, minor) if int(minor.split(".")[1]) < 11 else (version,))
        self.assertEqual(process["implementation"], "CPython")
        self.assertTrue(process["attachable"], process)
        numbers = tids_in_container(self.parked.pid)
        for told, seen in self.threads():
            if told["tid"] is not None:
                self.assertEqual(seen["tid"], numbers[told["tid"]] if self.interpreter.way == CONTAINER else told["tid"])

    def assert_refused(self, process):
        """By every command, and for the same reason."""
        self.assertFalse(process["attachable"], process)
        self.assertIn(self.dump.status, (FAILED, NOT_PYTHON), self.dump.stderr)
        self.assertTrue(process["reason"], process)
        self.assertIn(process["reason"], self.dump.stderr)
        self.figure("refused", process["reason"])

    def test_stacks(self):
        for told, seen in self.threads():
            with self.subTest(told["name"]):
                self.assertTrue(seen["complete"])
                frames = [[frame["function"], frame["file"]] for frame in seen["stack"] if frame["kind"] == "PYTHON"]
                self.assertEqual(frames, [[function, file] for function, file, _ in told["stack"]])

    def test_lines(self):
        for told, seen in self.threads():
            with self.subTest(told["name"]):
                lines = [(frame["function"], frame["line"]) for frame in seen["stack"] if frame["kind"] == "PYTHON"]
                self.assertEqual(lines, [(function, line) for function, _, line in told["stack"]])

    def verdict(self):
        if self.watched is None:
            target, snag, _ = watch(self.interpreter, self.addClassCleanup, "--once", BLOCK_SECONDS, patience=60)
            blocks = [Block(**block) for block in target.objects("block")]
            type(self).watched = judge(blocks, [Report(stall) for stall in snag.objects("stall")], MATCH_WITHIN)
        return self.watched

    def assert_none(self, what, entries):
        self.assertFalse(entries, f"{what}:\n" + "\n".join(str([str(part) for part in entry]) for entry in entries))

    def test_stalls(self):
        verdict = self.verdict()
        self.assertFalse(verdict.missed, [str(block) for block in verdict.missed])
        # Others run meanwhile. That a callback stood still for want of a processor is a true report, of no block.
        invented = [str(report) for report in verdict.invented if not was_starved(report.json)]
        self.assertFalse(invented, invented)
        self.assertFalse(verdict.twice, [str(report) for report in verdict.twice])
        self.assert_none("wrong culprit", verdict.wrong_culprits())
        self.assert_none("wrong blocking call", verdict.wrong_calls())
        far = [(b, r) for b, r in verdict.pairs if abs(r.duration - b.duration) > r.uncertainty + DURATION_ERROR]
        self.assert_none("wrong duration", far)
        self.figure("stalls", f"{len(verdict.pairs)} of {len(verdict.pairs) + len(verdict.missed)}")

    def test_tasks(self):
        verdict = self.verdict()
        self.assert_none("wrong task", [(b, r, json.dumps(r.json.get("task"))) for b, r in verdict.wrong_tasks()])
        self.assertGreater(len([block for block, _ in verdict.pairs if block.coroutine]), 3, "hardly a block was in a task")
        main = next(seen for told, seen in self.threads() if told["name"] == "MainThread")
        self.assertEqual(main["loop"]["kind"], "ASYNCIO")
        self.assertEqual(main["currentTask"].get("name", ""), self.told["task"])
        self.assertEqual(main["currentTask"]["coroutine"], self.told["coroutine"])


if __name__ == "__main__":
    harness.truth.main("matrix")
