"""Several interpreters in one process: each thread is shown with its own interpreter, its own GIL and its own loop."""

import harness.truth
from harness.truth import TruthTest

DUMPS = 20
LOOKS = 200  # at who holds a GIL, until all that may hold one at once were seen to


class Subinterpreters(TruthTest):
    def start_interpreters(self, *arguments):
        target = self.start_target("subinterpreters.py", *arguments)
        if not target.first_words["interpreters"]:
            self.skipTest("this CPython has no module for subinterpreters")
        return target, target.first_words["interpreters"]

    def version(self):
        return tuple(int(number) for number in self.interpreter.version.split(".")[:2])

    def is_told(self):
        return self.version() >= (3, 11)

    def dump(self, target):
        snag, status = self.run_to_end("snag", "dump", target.pid, "--json")
        self.assertEqual(status, 0, snag.stderr)
        return snag.objects("thread")

    def assert_all_are_there(self, threads, told):
        for one in told:
            (thread,) = (thread for thread in threads if int(thread["interpreter"]) == one["id"])
            # A thread that entered another interpreter has a state in both. Up to 3.12 that was made by the main thread,
            # and has its number; from 3.11 on it leads to the stack of the thread that runs it, before that nowhere.
            self.assertEqual(thread["tid"], one["tid"] if self.is_told() else 0)
            self.assertIn(one["function"], [frame["function"] for frame in thread["stack"]])
            outer = [thread for thread in threads if thread["interpreter"] == "0" and thread["tid"] == one["tid"]]
            self.assertEqual(len(outer), 1)
            self.assertIn("in_thread", " ".join(frame["function"] for frame in outer[0]["stack"]))

    def test_each_stack_is_its_own_interpreters(self):
        for arguments in ((), ("--shared",)):
            with self.subTest(arguments):
                target, told = self.start_interpreters("wait", *arguments)
                threads = self.dump(target)
                self.assert_all_are_there(threads, told)
                self.assertEqual({int(thread["interpreter"]) for thread in threads}, {0} | {one["id"] for one in told})

    def test_interpreters_that_come_and_go_hide_none_that_stays(self):
        target, told = self.start_interpreters("wait", "--churn")
        for _ in range(DUMPS):
            self.assert_all_are_there(self.dump(target), told)
        snag, status = self.run_to_end("snag", "record", target.pid, "-d", "2s", "--json", "-o",
                                       self.folder() / "profile.folded")  # fmt: skip
        self.assertEqual(status, 0, snag.stderr)
        self.assertEqual(snag.objects("summary")[0]["endedBecause"], "duration over")

    def test_a_gil_has_one_holder_and_each_gil_may_have_one(self):
        for arguments in ((), ("--shared",)):
            if (3, 9) <= self.version() <= (3, 12) and (arguments or self.version() < (3, 12)):
                # An interpreter of theirs does not see that another one waits for their GIL: nobody else ever gets it.
                print("not from 3.9 to 3.12: interpreters that compute and share a GIL starve the others")
                continue
            with self.subTest(arguments):
                target, told = self.start_interpreters("spin", *arguments)
                own_gil = target.first_words["ownGil"]
                spinning = {one["id"] for one in told}
                most = 0
                for look in range(LOOKS):
                    holders = [int(thread["interpreter"]) for thread in self.dump(target) if thread["holdsGil"]]
                    self.assertEqual(len(holders), len(set(holders)), "two holders of one interpreter's GIL")
                    if not own_gil:
                        self.assertLessEqual(len(holders), 1)
                    most = max(most, len(spinning & set(holders)))
                    if most == (len(told) if own_gil else 1) and (own_gil or look >= DUMPS):
                        break
                self.assertEqual(most, len(told) if own_gil else 1)

    def test_a_loop_that_stalls_in_an_interpreter_of_its_own_is_found(self):
        target, told = self.start_interpreters("loop")
        snag = self.start("snag", "stalls", target.pid, "--threshold", "100ms", "--json")
        seen = {}
        while len(seen) < len(told):
            stall = snag.wait_for("stall")
            if not stall.get("beganBeforeAttach"):
                seen[stall["culprit"]["function"]] = stall
        snag.signal(2)
        self.assertEqual(snag.finish(), 130, snag.stderr)
        for one in told:
            stall = seen[one["function"]]
            number = one["function"].rpartition("_")[2]
            self.assertEqual(stall["loop"]["tid"], one["tid"] if self.is_told() else 0)
            if self.is_told():  # and without the thread's number nothing is known of it, and nothing said
                self.assertEqual(stall["loop"]["threadName"], one["name"])
                self.assertEqual(stall["cause"], "SLEEP")
            else:
                self.assertEqual((stall["loop"]["threadName"], stall["cause"]), ("", "UNKNOWN"))
            self.assertEqual(stall["blockingCall"], "time.sleep")
            self.assertEqual(stall["task"]["name"], f"task {number}")


if __name__ == "__main__":
    harness.truth.main("subinterpreters")
