"""The targets tell the truth about themselves: CPython's own frames and clocks say so. Snag has no part in this."""


import harness.truth
from harness.truth import TruthTest
from stall_matching import MS, Block

SECONDS = 4
EDGE = MS  # a look this near to a block's edge may fall outside the blocking line


class TargetsTellTheTruth(TruthTest):
    def test_blocks_are_where_and_when_they_say(self):
        target = self.start_target("self_sampled.py", "stalls.py", "--seconds", SECONDS, "--seed", 5)
        target.tell("go")
        target.wait_for("measured")
        target.tell("end")
        self.assertEqual(target.finish(), 0, target.stderr)
        blocks = [Block(**block) for block in target.objects("block")]
        looks = {block.number: [] for block in blocks}
        for seen in target.objects("seen"):
            block = next((b for b in blocks if b.start + EDGE < seen["at"] < b.end - EDGE), None)
            if block is not None:
                self.assertEqual((seen["function"], seen["file"]), (block.function, block.file), block)
                looks[block.number].append(seen["line"] in block.lines)
        for block in blocks:
            # Not all: on a busy machine the CPU may be taken away on the line before the one that blocks.
            right = looks[block.number]
            self.assertGreaterEqual(sum(right) * 2, len(right), block)
        total = sum(len(right) for right in looks.values())
        self.assertGreater(total, SECONDS * 50)
        self.assertGreater(len({block.kind for block in blocks if block.measured}), 5, "too few kinds of blocks")
        self.assertGreater(max(block.index for block in blocks), 0, "no later callbacks")
        self.figure("looks", total)

    def test_a_later_block_of_a_tick_starts_after_the_one_before(self):
        target = self.start_target("stalls.py", "--seconds", 2, "--seed", 6)
        target.tell("go")
        target.wait_for("measured")
        target.tell("end")
        self.assertEqual(target.finish(), 0, target.stderr)
        blocks = [Block(**block) for block in target.objects("block")]
        for earlier, later in zip(blocks, blocks[1:]):
            self.assertGreaterEqual(later.start, earlier.end)
            self.assertGreaterEqual(later.start, later.tick)
            if later.tick == earlier.tick:
                self.assertEqual(later.index, earlier.index + 1)

    def test_the_fast_caller_can_be_learnt(self):
        for arguments, most_frames in (((), 20), (("--deep",), 110)):
            with self.subTest(arguments):
                stacks = self.learn(*arguments)
                self.assertGreater(len(stacks), 200)
                self.assertTrue(all(stack[0][0] == "<module>" for stack in stacks))
                self.assertLess(max(len(stack) for stack in stacks), most_frames)

    def learn(self, *arguments):
        command = self.interpreter.runs("fast_caller.py", "--learn", *arguments)
        learner = harness.truth.Speaker(command, env=self.interpreter.environment())
        self.addCleanup(learner.close)
        self.assertEqual(learner.finish(), 0, learner.stderr)
        return [stack["frames"] for stack in learner.objects("stack")]

    def test_the_counter_counts_and_answers(self):
        self.assert_unharmed(self.start_target("counter.py"))


if __name__ == "__main__":
    harness.truth.main("targets")
