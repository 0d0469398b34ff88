"""A thread that calls and returns as fast as it can through chains of calls that are all known beforehand.

With --paced its leaves take some microseconds, about as long as a read of the stack: so there are stacks that hold still for
a read, and others that change in the middle of one. With --learn it goes once through every chain and prints all stacks that it can ever have, as CPython's own tracing sees
them: {"stack": {"frames": [[function, file, line], …]}}, outermost first. Without, it says "ready" and goes on until it is killed. So
the test holds every stack that Snag reports against CPython's word. Chains overlap on purpose: through() is on the way of several, and what
is legal below it depends on who called it.
"""

import argparse
import contextlib
import itertools
import os
import sys
import threading

from wire import hear, name_in_snag, ready, say

# What a leaf adds up: nothing, or with --paced numbers for about 1, 4, 16 and 32 µs, or twice that.
PACES = [range(100), range(400), range(1600), range(3200)]
PACE = range(0)

DEEP_LEVELS = 100
DEEP_LOCALS = 24  # fat frames: 100 of them span several chunks of CPython's data stack


def through(function):
    return function()


def leaf_of_north():
    return sum(PACE) if PACE else 0


def leaf_of_south():
    return sum(PACE) if PACE else 0


def north():
    through(leaf_of_north)
    return through(north_west)


def north_west():
    return leaf_of_north()


def south():
    return through(south_east)


def south_east():
    first = leaf_of_south()
    return first + through(leaf_of_south)


def recurse(levels):
    if levels:
        recurse(levels - 1)
        return levels
    return leaf_of_north()


def ping(levels):
    return pong(levels - 1) if levels else 0


def pong(levels):
    return ping(levels - 1) if levels else 1


def recursion():
    recurse(7)
    ping(6)
    pong(5)


def numbers():
    while True:
        leaf_of_north()
        yield 1
        leaf_of_south()
        yield 2


SHARED_NUMBERS = numbers()


def pull_here():
    return next(SHARED_NUMBERS)


def pull_there():
    return through(pull_deeper)


def pull_deeper():
    return next(SHARED_NUMBERS)


def three():
    yield leaf_of_north()
    yield leaf_of_south()
    yield from two()


def two():
    yield leaf_of_south()
    yield leaf_of_north()


def generators():
    """One generator object is resumed by different callers: its frame's caller changes under it."""
    pull_here()
    pull_there()
    for _ in three():
        leaf_of_south()
    pull_there()
    pull_here()


async def inner_coroutine():
    return leaf_of_south()


async def outer_coroutine():
    await inner_coroutine()
    leaf_of_north()
    return await inner_coroutine()


def coroutines():
    coroutine = outer_coroutine()
    try:
        coroutine.send(None)
    except StopIteration:
        leaf_of_north()


class Shape:
    """Calls that C code makes: construction, operators, attributes, sort keys."""

    def __init__(self, size):
        self.size = self.check(size)

    def check(self, size):
        return size

    def __lt__(self, other):
        return self.area < other.area

    @property
    def area(self):
        return self.square()

    def square(self):
        return self.size * self.size

    def __enter__(self):
        leaf_of_north()

    def __exit__(self, *_):
        leaf_of_south()


def largest_first(shape):
    return -shape.area


def objects():
    shapes = [Shape(2), Shape(3), Shape(1)]
    shapes.sort()
    shapes.sort(key=largest_first)
    with Shape(4):
        leaf_of_north()


@contextlib.contextmanager
def borrowed():
    leaf_of_south()
    yield
    leaf_of_north()


def fail():
    raise KeyError


def fail_through():
    try:
        through(fail)
    finally:
        leaf_of_south()


def exceptions():
    try:
        fail_through()
    except KeyError:
        leaf_of_north()
    with borrowed():
        leaf_of_south()


def make_deep():
    """A chain of functions level_0 … that each call the next: fat frames, every function on lines of its own."""
    fat = "    " + " = ".join("local_%d" % number for number in range(DEEP_LOCALS)) + " = 0\n"
    source = "".join(
        "def level_%d():\n%s    level_%d()\n    return local_0\n" % (level, fat, level + 1) for level in range(DEEP_LEVELS)
    )
    source += "def level_%d():\n    number = 0\n    for step in range(300):\n        number += step\n" % DEEP_LEVELS
    module = {}
    exec(compile(source, "deep.py", "exec"), module)
    return module["level_0"]


def spin(chains, rounds, paces):
    global PACE
    while rounds:
        rounds -= 1
        PACE = next(paces)
        for chain in chains:
            chain()


class Learner:
    """Every stack that CPython's tracing sees: what Snag may report and nothing else."""

    def __init__(self):
        self.stacks = set()

    def trace(self, frame, _event, _argument):
        outer = self._stack(frame.f_back)
        self.stacks.add(outer + (self._entry(frame, frame.f_lineno),))
        return self.trace

    def _stack(self, frame):
        entries = []
        while frame is not None:
            entries.append(self._entry(frame, frame.f_lineno))
            frame = frame.f_back
        return tuple(reversed(entries))

    @staticmethod
    def _entry(frame, line):
        return name_in_snag(frame.f_code), os.path.basename(frame.f_code.co_filename), line


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learn", action="store_true")
    parser.add_argument("--deep", action="store_true", help="the deep chain alone")
    parser.add_argument("--paced", action="store_true", help="leaves that take a while")
    arguments = parser.parse_args()
    chains = [make_deep()] if arguments.deep else [north, south, recursion, generators, coroutines, objects, exceptions]
    learner = Learner()
    if arguments.learn:
        sys.settrace(learner.trace)
    else:
        threading.Thread(target=lambda: os._exit(len(hear())), name="ears", daemon=True).start()
        ready()
    spin(chains, 2 if arguments.learn else -1, itertools.cycle(PACES if arguments.paced else [PACE]))
    sys.settrace(None)
    for stack in sorted(learner.stacks):
        say("stack", frames=stack)


if __name__ == "__main__":
    main()
