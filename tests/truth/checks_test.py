"""The checkers of the truth tests find each kind of untruth: they are fed good reports, and then one that is wrong."""

import unittest

from legal_stacks import ChurnStacks, LearntStacks, judge as judge_stacks, parse_folded
from read_only_test import harm
from stall_matching import MS, Block, Report, judge, nanoseconds

SECOND = 1_000_000_000
TARGET = 4242


def block(number, start_ms, length_ms, **fields):
    truth = dict(file="/t/blockers.py", function="crunch", lines=[7, 8], calls=[""], measured=True, index=0, kind="cpu")
    start = SECOND + start_ms * MS
    return Block(number=number, start=start, end=start + length_ms * MS, tick=start - 1000, **{**truth, **fields})


def report(truth, number=0, start_ms=0.0, length_ms=0.0, **fields):
    """A right report of a block, but for what is given."""
    stall = dict(
        id=f"s{number or truth.number}", startMonotonicNs=str(truth.start + int(start_ms * MS)),
        duration=f"{(truth.duration + length_ms * MS) / 1e9:.9f}s", uncertainty="0.002s", blockingCall=truth.calls[0],
        culprit=dict(function=truth.function, file=truth.file, line=truth.lines[0], kind="PYTHON"),
    )  # fmt: skip
    if truth.taskName:
        stall["task"] = dict(name=truth.taskName, coroutine=truth.coroutine)
    return Report({**stall, **fields})


class StallMatching(unittest.TestCase):
    def setUp(self):
        self.blocks = [
            block(1, 0, 100),
            block(2, 200, 40),
            block(3, 300, 80, index=1, calls=["time.sleep"], taskName="order-3", coroutine="handle_order"),
        ]
        self.reports = [report(self.blocks[0]), report(self.blocks[2])]

    def judge(self):
        return judge(self.blocks, self.reports)

    def test_right_reports_are_right(self):
        verdict = self.judge()
        self.assertEqual(len(verdict.pairs), 2)
        faults = (verdict.missed, verdict.invented, verdict.twice, verdict.too_short, verdict.wrong_culprits(),
                  verdict.wrong_calls(), verdict.wrong_tasks(), verdict.beyond_uncertainty())  # fmt: skip
        self.assertFalse(any(faults), faults)
        self.assertEqual(verdict.first_start_errors(), [0])
        self.assertEqual(verdict.duration_errors(), [0, 0])

    def test_a_late_start_is_not_taken_for_a_short_neighbours(self):
        self.blocks.append(block(4, 296, 3, index=0))
        self.reports[1] = report(self.blocks[2], start_ms=-3, length_ms=3)
        self.assertEqual([b.number for b, _ in self.judge().pairs], [1, 3])

    def test_a_missed_stall(self):
        del self.reports[1]
        self.assertEqual([b.number for b in self.judge().missed], [3])

    def test_a_stall_told_twice(self):
        self.reports.append(report(self.blocks[0], number=9, start_ms=3))
        self.assertEqual([r.json["id"] for r in self.judge().twice], ["s9"])

    def test_an_invented_stall(self):
        self.reports.append(report(self.blocks[0], number=9, start_ms=120))
        self.assertEqual([r.json["id"] for r in self.judge().invented], ["s9"])

    def test_a_stall_under_the_threshold(self):
        self.reports.append(report(self.blocks[1]))
        self.assertEqual([b.number for b, _ in self.judge().too_short], [2])

    def test_wrong_times(self):
        self.reports[0] = report(self.blocks[0], start_ms=-2.5, length_ms=9)
        verdict = self.judge()
        self.assertEqual(verdict.first_start_errors(), [2.5 * MS])
        self.assertEqual(max(verdict.duration_errors()), 9 * MS)
        self.assertEqual(len(verdict.beyond_uncertainty()), 1)

    def test_a_wrong_culprit_call_and_task(self):
        wrong_line = dict(function="crunch", file="/t/blockers.py", line=9)
        self.reports[0] = report(self.blocks[0], culprit=wrong_line, blockingCall="range", task=dict(name="Task-1"))
        del self.reports[1].json["task"]
        verdict = self.judge()
        self.assertEqual([len(verdict.wrong_culprits()), len(verdict.wrong_calls()), len(verdict.wrong_tasks())], [1, 1, 2])

    def test_a_start_is_not_held_against_a_block_that_the_kernel_delayed(self):
        self.blocks[0].tick -= 3 * MS
        self.assertEqual(self.judge().first_start_errors(), [])
        self.assertEqual(len(self.judge().preempted()), 1)

    def test_warm_up_need_not_be_reported_but_may(self):
        self.blocks[0].measured = False
        self.assertEqual(len(self.judge().pairs), 1)
        del self.reports[0]
        self.assertFalse(self.judge().missed)

    def test_durations_of_proto_json(self):
        self.assertEqual([nanoseconds(text) for text in ("2.310s", "0s", "0.000000001s")], [2_310_000_000, 0, 1])


class LegalStacks(unittest.TestCase):
    LEGAL = LearntStacks(
        [
            [["<module>", "t.py", 9], ["a", "t.py", 1], ["through", "t.py", 5], ["c", "t.py", 6]],
            [["<module>", "t.py", 9], ["d", "t.py", 2], ["through", "t.py", 5], ["f", "t.py", 7]],
        ]
    )

    def illegal(self, *lines, rules=LEGAL):
        return judge_stacks(parse_folded("\n".join(lines)), rules, lambda stack: True).illegal_samples

    def test_a_legal_stack(self):
        self.assertEqual(self.illegal("<module> (/x/t.py:9);a (/x/t.py:1);through (/x/t.py:5);c (/x/t.py:6) 3"), 0)

    def test_a_mix_of_two_legal_stacks(self):
        self.assertEqual(self.illegal("<module> (/x/t.py:9);a (/x/t.py:1);through (/x/t.py:5);f (/x/t.py:7) 3"), 3)

    def test_a_wrong_line_of_a_caller(self):
        self.assertEqual(self.illegal("<module> (/x/t.py:9);a (/x/t.py:2);through (/x/t.py:5);c (/x/t.py:6) 2"), 2)

    def test_a_stack_that_is_cut_must_be_marked(self):
        cut = "<module> (/x/t.py:9);a (/x/t.py:1)"
        self.assertEqual(self.illegal(f"{cut} 1"), 1)
        self.assertEqual(self.illegal(f"{cut};[stack moved while it was read] 1"), 0)
        self.assertEqual(self.illegal("[outer frames cut];through (/x/t.py:5);f (/x/t.py:7) 1"), 0)
        self.assertEqual(self.illegal("[x];a (/x/t.py:1);f (/x/t.py:7) 1"), 1)

    def test_churn(self):
        rules = ChurnStacks(10)
        outer = "<module> (/x/churn.py:54);main (/x/churn.py:50);churn (/x/churn.py:45)"
        legal = ("made_7 (churn_7.py:72);part_7 (churn_7.py:73)", "made_7 (churn_7.py:70)", "make (/x/churn.py:33)")
        illegal = ("made_7 (churn_7.py:72);part_8 (churn_8.py:83)", "made_7 (churn_8.py:72)", "made_7 (churn_7.py:82)",
                   "made_7 (churn_7.py:71);part_7 (churn_7.py:73)", "part_7 (churn_7.py:73)")  # fmt: skip
        self.assertEqual([self.illegal(f"{outer};{stack} 1", rules=rules) for stack in legal], [0] * len(legal))
        self.assertEqual([self.illegal(f"{outer};{stack} 1", rules=rules) for stack in illegal], [1] * len(illegal))


class Strace(unittest.TestCase):
    HARMLESS = (
        "17 ptrace(PTRACE_SEIZE, 4242, NULL, 0) = 0",
        "17 ptrace(PTRACE_INTERRUPT, 4242) = 0",
        '17 openat(AT_FDCWD, "/proc/4242/mem", O_RDONLY|O_CLOEXEC) = 5',
        "17 kill(4242, 0) = 0",
        "17 kill(17, SIGTERM) = 0",
        '17 openat(AT_FDCWD, "/tmp/flamegraph.svg", O_WRONLY|O_CREAT, 0666) = 5',
    )
    HARMFUL = (
        "17 ptrace(PTRACE_POKEDATA, 4242, 0x7f00, 0) = 0",
        "17 ptrace(PTRACE_SETREGS, 4242, NULL, 0x7ffc) = 0",
        "17 ptrace(PTRACE_ATTACH, 4242) = 0",
        "17 ptrace(PTRACE_SEIZE, 4242, NULL, PTRACE_O_TRACECLONE|PTRACE_O_EXITKILL) = 0",
        "17 process_vm_writev(4242, [{iov_base=0x1}], 1, [{iov_base=0x2}], 1, 0) = 8",
        '17 openat(AT_FDCWD, "/proc/4242/mem", O_RDWR) = 5',
        '17 openat(4, "mem", O_WRONLY) = 5',
        "17 tgkill(4242, 4243, SIGSTOP) = 0",
    )

    def test_looking_is_harmless_and_changing_is_not(self):
        self.assertEqual([line for line in self.HARMLESS if harm(line, TARGET)], [])
        self.assertEqual([line for line in self.HARMFUL if not harm(line, TARGET)], [])


if __name__ == "__main__":
    unittest.main()
