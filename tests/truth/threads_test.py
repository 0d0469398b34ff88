"""Threads of every kind and number are all shown, by the names and numbers that they have by their own account."""

import os
import signal

import harness.truth
from harness.truth import TruthTest

MANY = 5000
DUMPS_OF_A_CHURN = 20
LONGEST = 4096  # bytes of a name that is sent; a longer one ends in "…"


def shown(name):
    """A name as it is sent: not longer than what a message takes."""
    if len(name.encode()) <= LONGEST:
        return name
    return name.encode()[: LONGEST - len("…".encode())].decode("utf-8", "ignore") + "…"


class Threads(TruthTest):
    def account(self, target):
        target.tell("account")
        return {thread["tid"]: thread for thread in target.wait_for("account")["threads"]}

    def dump(self, pid, allow_lost=False):
        """{tid: thread}; a thread's functions outermost first."""
        snag, status = self.run_to_end("snag", "dump", pid, "--json")
        self.assertEqual(status, 0, snag.stderr)
        if not allow_lost:
            self.assertEqual(snag.stderr, "")
        threads = snag.objects("thread")
        for thread in threads:
            python = [frame for frame in thread["stack"] if frame["kind"] == "PYTHON"]
            thread["functions"] = [frame["function"].rpartition(".")[2] for frame in reversed(python)]
        self.assertEqual(len(threads), len({thread["tid"] for thread in threads}), "a thread is shown twice")
        return {thread["tid"]: thread for thread in threads}

    def assert_as_told(self, target, told, dumped):
        self.assertEqual(set(told), set(dumped))
        for tid, thread in told.items():
            self.assertEqual(dumped[tid]["name"], shown(thread["name"]), tid)
            self.assertEqual(dumped[tid]["interpreter"], "0")
            if tid != target.pid:  # the main thread tells of itself elsewhere than where it waits
                self.assertTrue(dumped[tid]["complete"])
                self.assertEqual(dumped[tid]["functions"], [name.rpartition(".")[2] for name in thread["frames"]])

    def test_names_and_numbers_are_the_threads_own(self):
        target = self.start_target("crowd.py")
        told = self.account(target)
        self.assertIn("MainThread", {thread["name"] for thread in told.values()})
        self.assert_as_told(target, told, self.dump(target.pid))
        kernels = {int(name) for name in os.listdir(f"/proc/{target.pid}/task")}
        self.assertEqual(len(kernels - set(told)), 1, "the thread of C alone")
        target.tell("rename")
        target.wait_for("done")
        renamed = self.account(target)
        self.assertNotEqual(renamed, told)
        self.assert_as_told(target, renamed, self.dump(target.pid))

    def test_text_shows_no_control_character_of_a_name(self):
        target = self.start_target("crowd.py")
        snag, status = self.run_to_end("snag", "dump", target.pid)
        self.assertEqual(status, 0, snag.stderr)
        text = "".join(snag.lines)
        self.assertTrue(all(character == "\n" or character.isprintable() for character in text.replace("\U0001f40d", "")))
        self.assertIn("\\x1b[31mred", text)
        self.assertIn("two\\nlines", text)

    def test_thousands_of_threads_are_all_there(self):
        target = self.start_target("crowd.py", "--threads", MANY)
        told = self.account(target)
        self.assertGreater(len(told), MANY)
        self.assert_as_told(target, told, self.dump(target.pid))
        snag, status = self.run_to_end("snag", "record", target.pid, "-d", "1s", "-r", 2, "--json", "-o",
                                       self.folder() / "profile.folded", timeout=120)  # fmt: skip
        self.assertEqual(status, 0, snag.stderr)
        (summary,) = snag.objects("summary")
        self.assertEqual(summary["threads"], len(told))
        self.assertGreaterEqual(int(summary["whole"]), len(told))
        snag, status = self.run_to_end("snag", "stalls", target.pid, "--duration", "1s", "--json", timeout=120)
        self.assertEqual(status, 0, snag.stderr)
        self.assertEqual(snag.objects("summary")[0]["threads"], len(told))
        self.figure("threads", len(told))

    def test_few_descriptors_end_no_recording(self):
        target = self.start_target("crowd.py", "--threads", 500)
        limited = ["prlimit", "--nofile=256:256", str(harness.truth.BIN / "snag")]
        path = self.folder() / "profile.folded"
        snag = harness.truth.Speaker(
            [*limited, "record", target.pid, "-d", "1s", "-r", 5, "--json", "-o", path]
        )
        self.addCleanup(snag.close)
        self.assertEqual(snag.finish(), 0, snag.stderr)
        (summary,) = snag.objects("summary")
        self.assertEqual(summary["endedBecause"], "duration over")
        self.assertGreater(int(summary["whole"]), 500)

    def test_threads_that_come_and_go_hide_none_that_stays(self):
        target = self.start_target("crowd.py", "--churn", "--threads", 50)
        told = self.account(target)
        for _ in range(DUMPS_OF_A_CHURN):
            dumped = self.dump(target.pid, allow_lost=True)
            self.assertLessEqual(set(told), set(dumped))
            for tid, thread in told.items():
                self.assertEqual(dumped[tid]["name"], shown(thread["name"]))

    def test_a_child_forked_behind_cpythons_back_has_its_own_number(self):
        target = self.start_target("crowd.py")
        target.tell("fork")
        child = target.wait_for("forked")["pid"]
        self.addCleanup(os.kill, child, signal.SIGKILL)
        dumped = self.dump(child, allow_lost=True)
        self.assertIn(child, dumped)
        self.assertEqual(dumped[child]["name"], "MainThread")
        self.assertIn("fork_behind_the_back", dumped[child]["functions"])
        self.assertEqual(set(dumped), {child}, "threads of the parent")

    def test_threads_are_shown_while_the_interpreter_ends(self):
        target = self.start_target("crowd.py", "--finalise")
        told = self.account(target)
        target.tell("end")
        target.wait_for("finalising")
        dumped = self.dump(target.pid, allow_lost=True)
        self.assertIn(target.pid, dumped)
        self.assertIn("__del__", dumped[target.pid]["functions"])
        self.assertLessEqual(set(dumped), set(told))

    def test_without_threading_the_kernels_name_is_shown(self):
        program = "import sys; print('{\"ready\":{}}', flush=True); sys.stdin.read(); assert 'threading' not in sys.modules"
        target = harness.truth.Speaker([self.interpreter.path, "-I", "-S", "-c", program])
        self.addCleanup(target.close)
        target.wait_for("ready")
        with open(f"/proc/{target.pid}/comm") as file:
            name = file.read().rstrip("\n")
        self.assertEqual(self.dump(target.pid)[target.pid]["name"], name)
        target.process.stdin.close()
        self.assertEqual(target.process.wait(30), 0, target.stderr)

    def test_the_head_of_stalls_names_the_loops_thread(self):
        target = self.start_target("counter.py")
        snag, status = self.run_to_end("snag", "stalls", target.pid, "--duration", "1s")
        self.assertEqual(status, 0, snag.stderr)
        self.assertIn("1 loop on MainThread ", snag.lines[0])


if __name__ == "__main__":
    harness.truth.main("threads")
