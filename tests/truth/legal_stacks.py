"""Folded stacks, and whether the target could have had them: pure functions over text.

A folded line is `frame;frame;… COUNT`, outermost first; a Python frame reads `function (file:line)`. A frame in
brackets, such as `[stack moved while it was read]`, is a marker: the stack is partial. What has no place (a thread's name at
the front, a builtin at the end) is no Python frame and not judged here.
"""

import os
import re
from dataclasses import dataclass, field

FRAME = re.compile(r"(?P<function>.+) \((?P<file>.*):(?P<line>\d+)\)$")


@dataclass
class Stack:
    frames: tuple  # of (function, file's last part, line), outermost first
    count: int
    partial: bool
    text: str


@dataclass
class Verdict:
    whole: int = 0
    partial: int = 0
    other_threads: int = 0
    illegal: list = field(default_factory=list)  # stacks

    @property
    def illegal_samples(self):
        return sum(stack.count for stack in self.illegal)


def parse_folded(text):
    return [parse_line(line) for line in text.splitlines() if line]


def parse_line(line):
    stack, _, count = line.rpartition(" ")
    frames, partial = [], False
    for entry in stack.split(";"):
        match = FRAME.match(entry)
        if match:
            frames.append((match["function"], os.path.basename(match["file"]), int(match["line"])))
        elif entry.startswith("["):
            partial = True
    return Stack(tuple(frames), int(count), partial, line)


def judge(stacks, is_legal, is_of_main_thread):
    """`is_legal(frames, partial)` knows the target."""
    verdict = Verdict()
    for stack in stacks:
        if not is_of_main_thread(stack):
            verdict.other_threads += stack.count
            continue
        if stack.partial:
            verdict.partial += stack.count
        else:
            verdict.whole += stack.count
        if not is_legal(stack.frames, stack.partial):
            verdict.illegal.append(stack)
    return verdict


class LearntStacks:
    """Legal is what CPython's own tracing has seen; of a partial stack, an outer or an inner part of that."""

    def __init__(self, stacks):
        self._whole = {tuple(tuple(frame) for frame in stack) for stack in stacks}
        self._parts = set()
        for stack in self._whole:
            for cut in range(len(stack) + 1):
                self._parts.add(stack[:cut])
                self._parts.add(stack[cut:])

    def __call__(self, frames, partial):
        return frames in (self._parts if partial else self._whole)


class ChurnStacks:
    """Legal is <module> → main → churn → (make | made_N → part_N), all of one N, each on its own function's lines (churn.py)."""

    OUTER = ("<module>", "main", "churn")
    MADE_LINES, CALL_LINE, PART_LINES = range(0, 4), 2, range(0, 5)  # from the function's first line

    def __init__(self, lines_each):
        self._lines_each = lines_each

    def __call__(self, frames, partial):
        if partial and not (frames and frames[0][0] == "<module>"):
            return all(self._is_itself(frame) for frame in frames)
        outer, inner = frames[: len(self.OUTER)], frames[len(self.OUTER) :]
        if tuple(name for name, _, _ in outer) != self.OUTER[: len(outer)] or not (partial or len(outer) == len(self.OUTER)):
            return False
        if inner and inner[0][0] == "make":
            return len(inner) == 1 and inner[0][1] == "churn.py"
        return len(inner) <= 2 and self._is_chain(inner)

    def _is_chain(self, inner):
        if not all(self._is_itself(frame) for frame in inner):
            return False
        names = [name for name, _, _ in inner]
        if not names:
            return True
        number = names[0].rpartition("_")[2]
        if names != [f"made_{number}", f"part_{number}"][: len(names)]:
            return False
        return len(names) == 1 or inner[0][2] == int(number) * self._lines_each + self.CALL_LINE

    def _is_itself(self, frame):
        """The name, the file and the line tell of the same function."""
        function, file, line = frame
        if file == "churn.py":
            return function in (*self.OUTER, "make")
        part, _, number = function.rpartition("_")
        if part not in ("made", "part") or file != f"churn_{number}.py":
            return False
        return line - int(number) * self._lines_each in (self.MADE_LINES if part == "made" else self.PART_LINES)
