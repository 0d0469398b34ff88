"""Not one stack that the target cannot have, however fast it calls and returns while it is read without a pause."""

import json
import subprocess

import harness.truth
from harness.truth import FULL, TruthTest
from legal_stacks import ChurnStacks, LearntStacks, judge, parse_folded

RATE = 20_000  # a second
# Whole and partial samples of the main thread, 200,000 in all; in the long form of each target.
WANTED = {"chains": 50_000, "paced": 70_000, "deep": 40_000, "churn": 40_000}
# Of the paced target's samples, what must be whole: most of its stacks outlast a read.
LEAST_WHOLE = 0.1
SECONDS_A_RUN = 4
MOST_RUNS = 30  # a machine that is too slow for that fails


def listing(stacks):
    """At most a dozen, so that a failure can be read."""
    return "\n".join(stack.text for stack in stacks[:12])


class StacksOfAFastCaller(TruthTest):
    def learn(self, *arguments):
        command = self.interpreter.runs("fast_caller.py", "--learn", *arguments)
        said = subprocess.run(command, check=True, capture_output=True, text=True, env=self.interpreter.environment()).stdout
        return LearntStacks(json.loads(line)["stack"]["frames"] for line in said.splitlines())

    def record(self, target, seconds):
        """(stacks, summary) of one recording that never stops the target."""
        path = self.folder() / "stacks.folded"
        snag, status = self.run_to_end(
            "snag", "record", target.pid, "-r", RATE, "-d", f"{seconds}s", "--consistency", "never",
            "--format", "folded", "-o", path, "--json", timeout=seconds + 30,
        )  # fmt: skip
        self.assertEqual(status, 0, snag.stderr)
        return parse_folded(path.read_text()), snag.objects("summary")[-1]

    def sample(self, name, target, is_legal):
        wanted = 200_000 if FULL else WANTED[name]
        whole, partial, lost, illegal = 0, 0, 0, []
        for _ in range(MOST_RUNS):
            stacks, summary = self.record(target, SECONDS_A_RUN)
            verdict = judge(stacks, is_legal, is_of_main_thread)
            self.assert_all_is_counted(stacks, summary)
            whole += verdict.whole
            partial += verdict.partial
            lost += int(summary.get("lost", 0))
            illegal += verdict.illegal
            if whole + partial >= wanted:
                break
        self.figure(name, f"{sum(stack.count for stack in illegal)} of {whole + partial}")
        self.figure(f"{name} partial/lost", f"{partial}/{lost}")
        if illegal:
            self.fail(f"{len(illegal)} stacks that cannot be:\n" + listing(illegal))
        self.assertGreaterEqual(whole + partial, wanted, "too few samples")
        return whole / (whole + partial)

    def assert_all_is_counted(self, stacks, summary):
        """What was taken is in the file, marked if it is partial; what was lost has its reason."""
        marked = [stack for stack in stacks if stack.partial]
        partial = sum(stack.count for stack in marked)
        counted = {"whole": sum(stack.count for stack in stacks) - partial, "partial": partial}
        told = {name: int(summary.get(name, 0)) for name in counted}
        self.assertEqual(counted, told, "stacks in the file and in the summary; marked:\n" + listing(marked))
        reasons = {reason: int(count) for reason, count in summary.get("lostByReason", {}).items()}
        self.assertEqual(sum(reasons.values()), int(summary.get("lost", 0)), reasons)
        self.assertEqual(float(summary.get("targetStopped", "0s")[:-1]), 0.0, "the target was stopped")

    def test_no_stack_mixes_two_chains_of_calls(self):
        self.sample("chains", self.start_target("fast_caller.py"), self.learn())

    def test_no_stack_that_changes_during_a_read_is_taken_for_one_that_held_still(self):
        whole = self.sample("paced", self.start_target("fast_caller.py", "--paced"), self.learn("--paced"))
        self.assertGreaterEqual(whole, LEAST_WHOLE, "whole stacks of a target whose stacks often hold still")

    def test_no_deep_stack_has_a_frame_too_many_or_too_few(self):
        self.sample("deep", self.start_target("fast_caller.py", "--deep"), self.learn("--deep"))

    def test_no_function_is_taken_for_another_that_lay_at_its_address(self):
        target = self.start_target("churn.py")
        self.sample("churn", target, ChurnStacks(target.first_words["linesEach"]))


def is_of_main_thread(stack):
    """The ears of the target are a thread of their own, that only ever waits."""
    return not any(file == "threading.py" for _, file, _ in stack.frames)


if __name__ == "__main__":
    harness.truth.main("stacks")
