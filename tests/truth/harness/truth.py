"""The base of the truth tests: targets and programs that are ended whatever happens, and figures for the closing table.

The environment says what is tested: SNAG_BIN (folder of snag and snagd), SNAG_PYTHON (a name of interpreters.ENTRIES), SNAG_WAY
(how it is run; optional), SNAG_RESULTS (folder for the figures; optional), SNAG_TRUTH=full (the long form).
"""

import json
import os
import shutil
import sys
import tempfile
import unittest
import uuid
from pathlib import Path

from .interpreters import Interpreter
from .process import Gone, Speaker, processes_with_environment, state_of, tracer_of, wait_until_gone

SKIPPED = 77  # the exit status by which ctest knows a skipped test
BIN = Path(os.environ.get("SNAG_BIN", Path(__file__).resolve().parents[3] / "build/release/bin")).resolve()
FULL = os.environ.get("SNAG_TRUTH") == "full"
MARK = "SNAG_TEST_MARK"


class Target(Speaker):
    """A live CPython that knows the truth about itself."""

    def __init__(self, interpreter, script, *arguments, **options):
        options.setdefault("env", interpreter.environment())
        super().__init__(interpreter.runs(script, *arguments), **options)
        try:
            self.first_words = self.wait_for("ready")
            self._host_pid = interpreter.host_pid(self.process.pid)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self):
        return getattr(self, "_host_pid", self.process.pid)

    def counts_on(self, timeout=10.0):
        """True when its loop runs: it answers, and it has counted since the first answer."""
        self.tell("ping")
        before = self.wait_for("pong", timeout=timeout)["count"]
        for _ in range(100_000):
            self.tell("ping")
            if self.wait_for("pong", timeout=timeout)["count"] > before:
                return True
        return False


class Program(Speaker):
    """snag or snagd; it and whatever it starts carry a mark by which they are found again."""

    def __init__(self, *command, **options):
        self.mark = f"{MARK}={uuid.uuid4()}"
        name, _, value = self.mark.partition("=")
        environment = {**os.environ, **options.pop("env", {}), name: value}
        super().__init__([BIN / command[0], *command[1:]], env=environment, **options)

    def family(self):
        """Pids of what it started and that still runs, itself excepted."""
        return [pid for pid in processes_with_environment(self.mark) if pid != self.pid]

    def leftovers(self, timeout=5.0):
        """What of its family still runs after the time that an orderly end may take."""
        return [pid for pid in self.family() if not wait_until_gone(pid, timeout)]


class TruthTest(unittest.TestCase):
    interpreter = None  # set by main()
    figures = {}  # name → value, for the closing table

    def start_target(self, script, *arguments, **options):
        target = Target(self.interpreter, script, *arguments, **options)
        self.addCleanup(target.close)
        return target

    def start(self, *command, **options):
        program = Program(*command, **options)
        self.addCleanup(program.close)
        return program

    def run_to_end(self, *command, timeout=30.0, **options):
        """A program that was started and has ended by itself: (program, exit status)."""
        program = self.start(*command, **options)
        return program, program.finish(timeout)

    def folder(self):
        path = tempfile.mkdtemp(prefix="snag-truth-")
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return Path(path)

    def assert_unharmed(self, target):
        self.assertEqual(tracer_of(target.pid), 0, "somebody still traces the target")
        self.assertIn(state_of(target.pid), ("R", "S", "D"), "the target does not run")
        self.assertTrue(target.counts_on(), "the target's loop does not go on")

    def assert_nothing_behind(self, program):
        self.assertEqual(program.leftovers(), [], f"{program} left processes behind")

    def figure(self, name, value):
        type(self).figures[name] = str(value)


class Outcomes(unittest.TextTestResult):
    """A result that keeps each test's outcome, for the cells of the closing table."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.outcomes = {}  # {name of a test: "passed", "failed" or "skipped: why"}; one failure of its parts fails it

    def stopTest(self, test):
        self.outcomes.setdefault(test._testMethodName, "passed")
        super().stopTest(test)

    def _fails(self, test):
        name = getattr(test, "test_case", test)  # of a part (subTest)
        self.outcomes[getattr(name, "_testMethodName", "all")] = "failed"  # or of setUpClass

    def addError(self, test, error):
        super().addError(test, error)
        self._fails(test)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._fails(test)

    def addSubTest(self, test, part, error):
        super().addSubTest(test, part, error)
        if error is not None:
            self._fails(part)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.outcomes[test._testMethodName] = f"skipped: {reason}"


def write_result(test, interpreter, outcome, reason, figures, outcomes=None):
    folder = os.environ.get("SNAG_RESULTS")
    if not folder:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    result = dict(test=test, interpreter=interpreter.name, way=interpreter.way, version=interpreter.version, build=interpreter.build,
                  outcome=outcome, reason=reason, figures=figures, outcomes=outcomes or {})  # fmt: skip
    path = Path(folder) / f"{test}-{interpreter.name}-{interpreter.way}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


def main(test):
    """Runs the calling module's tests on the interpreter that the environment names."""
    interpreter = Interpreter(os.environ.get("SNAG_PYTHON", "debian"), os.environ.get("SNAG_WAY"))
    if interpreter.path is None:
        write_result(test, interpreter, "skipped", interpreter.reason, {})
        print(f"skipped: {interpreter.reason}")
        sys.exit(SKIPPED)
    print(f"{test} on CPython {interpreter.version} ({interpreter.build}), {interpreter.path}, {interpreter.way}", flush=True)
    TruthTest.interpreter = interpreter
    try:
        runner = unittest.TextTestRunner(verbosity=2, resultclass=Outcomes)
        result = unittest.main(module="__main__", exit=False, testRunner=runner).result
    finally:
        interpreter.close()
    for name, value in TruthTest.figures.items():
        print(f"  {name}: {value}")
    outcome = "passed" if result.wasSuccessful() else "failed"
    write_result(test, interpreter, outcome, "", TruthTest.figures, result.outcomes)
    sys.exit(0 if outcome == "passed" else 1)
