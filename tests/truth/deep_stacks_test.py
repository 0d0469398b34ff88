"""Stacks of thousands of frames are shown whole; beyond the bound they are lost, counted, and nothing else with them."""

import harness.truth
from harness.truth import TruthTest
from legal_stacks import parse_folded

DEPTHS = (1_000, 10_000, 19_000)
BEYOND = 21_000  # python::kMaxFrames is 20,000


class DeepStacks(TruthTest):
    def dump(self, target, *options):
        snag, status = self.run_to_end("snag", "dump", target.pid, *options)
        self.assertEqual(status, 0, snag.stderr)
        return snag

    def test_a_deep_stack_is_whole(self):
        for depth in DEPTHS:
            with self.subTest(depth):
                target = self.start_target("deep.py", depth)
                frames = target.first_words["depth"]
                snag = self.dump(target, "--json")
                (thread,) = (thread for thread in snag.objects("thread") if thread["name"] == "deep")
                self.assertTrue(thread["complete"])
                python = [frame for frame in thread["stack"] if frame["kind"] == "PYTHON"]
                self.assertEqual(len(python), frames)
                self.assertEqual(sum(frame["function"] == "down" for frame in python), depth + 1)

                text = self.dump(target).lines
                self.assertLess(len(text), 60, "recursion is not folded")
                self.assertIn(f"    … repeated {depth - 1:,} times\n", text)

                path = self.folder() / "profile.folded"
                snag, status = self.run_to_end("snag", "record", target.pid, "-d", "2s", "-r", 20, "-o", path)
                self.assertEqual(status, 0, snag.stderr)
                deepest = max(parse_folded(path.read_text()), key=lambda stack: len(stack.frames))
                self.assertFalse(deepest.partial)
                self.assertEqual(len(deepest.frames), frames)

    def test_beyond_the_bound_a_stack_is_lost_and_says_so(self):
        target = self.start_target("deep.py", BEYOND)
        snag = self.dump(target, "--json")
        self.assertEqual([thread["name"] for thread in snag.objects("thread")], ["MainThread"])
        self.assertIn("out of bounds", snag.stderr)


if __name__ == "__main__":
    harness.truth.main("deep_stacks")
