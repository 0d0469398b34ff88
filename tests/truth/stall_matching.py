"""Which report tells of which block, and what is wrong with the reports: pure functions over plain records.

A block is what the target knows of itself (tests/targets/stalls.py); a report is a Stall in Snag's JSON. All times are
nanoseconds of CLOCK_MONOTONIC.
"""

import os
import statistics
from dataclasses import dataclass, field
from decimal import Decimal

MS = 1_000_000

MUST_REPORT = 60 * MS  # a block at least this long is reported,
MUST_NOT_REPORT = 50 * MS  # one shorter than the threshold is not
MATCH_WITHIN = 30 * MS  # a report whose start is further from every block's start tells of no block
FIRST_START_ERROR = 1 * MS
DURATION_ERROR_MEDIAN = 2 * MS
DURATION_ERROR_99 = 12 * MS
# Between asyncio's reading of the clock and the block's own, microseconds pass. Where more has passed, the kernel gave
# the CPU to somebody else in between: two readings of the target itself say so, and its own start is no truth then.
PREEMPTED = MS // 2


@dataclass
class Block:
    number: int
    kind: str
    start: int
    end: int
    tick: int  # when the tick began, by asyncio's own variable
    index: int  # 0: the tick's first callback
    measured: bool
    file: str = ""
    function: str = ""
    lines: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    left: int = 0  # the last instant at which the target knows that the callback still ran; not before end
    flavour: str = "callback"
    taskName: str = ""
    coroutine: str = ""

    @property
    def duration(self):
        return self.end - self.start

    @property
    def preempted(self):
        return self.index == 0 and self.start - self.tick > PREEMPTED

    def __str__(self):
        return (
            f"block {self.number} ({self.kind}, {self.flavour}, callback {self.index} of its tick) "
            f"from {self.start / 1e9:.6f} s for {self.duration / 1e6:.2f} ms"
        )


@dataclass
class Report:
    json: dict

    @property
    def start(self):
        return int(self.json["startMonotonicNs"])

    @property
    def duration(self):
        return nanoseconds(self.json.get("duration", "0s"))

    @property
    def uncertainty(self):
        return nanoseconds(self.json.get("uncertainty", "0s"))

    @property
    def culprit(self):
        return self.json.get("culprit", {})

    def __str__(self):
        return (
            f"stall {self.json.get('id')} from {self.start / 1e9:.6f} s for {self.duration / 1e6:.2f} ms in "
            f"{self.culprit.get('function')} {os.path.basename(self.culprit.get('file', ''))}:{self.culprit.get('line')}"
            f" call {self.json.get('blockingCall', '')!r}"
        )


def nanoseconds(duration):
    """Of proto3 JSON's durations: "2.310s"."""
    return int(Decimal(duration[:-1]) * 1_000_000_000)


@dataclass
class Verdict:
    pairs: list  # (block, report), one each
    missed: list  # blocks that had to be reported
    invented: list  # reports of no block
    twice: list  # reports of a block that another report tells of
    too_short: list  # pairs whose block is under the threshold

    def wrong_culprits(self):
        return [(block, report) for block, report in self.pairs if not names_culprit(block, report)]

    def wrong_calls(self):
        return [(block, report) for block, report in self.pairs if report.json.get("blockingCall", "") not in block.calls]

    def wrong_tasks(self):
        return [(block, report) for block, report in self.pairs if not names_task(block, report)]

    def first_start_errors(self):
        """ns, of the ticks' first callbacks; what the target itself knows to have been preempted is left out."""
        return [abs(r.start - b.start) for b, r in self.pairs if b.index == 0 and not b.preempted]

    def later_start_errors(self):
        return [abs(r.start - b.start) for b, r in self.pairs if b.index > 0]

    def duration_errors(self):
        return [abs(r.duration - b.duration) for b, r in self.pairs]

    def beyond_uncertainty(self):
        """Pairs whose start or end is off by more than the report itself admits (and 1 ms for the target's own part)."""
        def error(b, r):
            end = r.start + r.duration
            return max(abs(r.start - b.start), b.end - end, end - max(b.end, b.left))

        return [(b, r) for b, r in self.pairs if not b.preempted and error(b, r) > r.uncertainty + MS]

    def preempted(self):
        return [block for block, _ in self.pairs if block.preempted]


def names_culprit(block, report):
    culprit = report.culprit
    return (
        culprit.get("function") == block.function
        and culprit.get("line") in block.lines
        and os.path.basename(culprit.get("file", "")) == os.path.basename(block.file)
    )


def names_task(block, report):
    task = report.json.get("task")
    if not block.coroutine:
        return task is None
    return task is not None and task.get("name", "") == block.taskName and task.get("coroutine") == block.coroutine


def block_of(report, blocks, within=MATCH_WITHIN):
    """The block that a report tells of: of those that start near its start, the one that best agrees in start and end.

    The start alone would not do: a callback that is not its tick's first is first seen a while after its start, and
    short neighbours may start in that while.
    """
    def distance(block):
        return abs(block.start - report.start) + abs(block.end - (report.start + report.duration))

    near = [block for block in blocks if abs(block.start - report.start) <= within]
    return min(near, key=distance, default=None)


def judge(blocks, reports, within=MATCH_WITHIN):
    """Matches each report with a block. Warm-up blocks may be reported but need not be."""
    pairs, invented, twice, told = [], [], [], set()
    for report in reports:
        block = block_of(report, blocks, within)
        if block is None:
            invented.append(report)
        elif block.number in told:
            twice.append(report)
        else:
            told.add(block.number)
            pairs.append((block, report))
    measured = [(block, report) for block, report in pairs if block.measured]
    return Verdict(
        pairs=measured,
        missed=[b for b in blocks if b.measured and b.duration >= MUST_REPORT and b.number not in told],
        invented=invented,
        twice=twice,
        too_short=[(block, report) for block, report in pairs if block.duration < MUST_NOT_REPORT],
    )


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median(values):
    return statistics.median(values)
