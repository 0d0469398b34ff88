"""An event loop that blocks at random, seeded, and keeps its own record of every block.

    stdout: {"ready"}, {"measured": {from, until}} when the planned blocks are done, then the record: {"block"}…, {"done"}
    stdin:  "go" ends the warm-up, "end" ends the cool-down and asks for the record

While it warms up and cools down it blocks now and then, so that the test can wait for a report instead of sleeping: the
first report says that Snag watches, a report from the cool-down says that all reports before it have come.
"""

import argparse
import asyncio
import os
import random
import sys
import threading
import time

from blockers import Blockers
from wire import hear, ready, say

SHORTEST, LONGEST = 0.030, 0.500  # seconds
# Where the verdict turns: many blocks fall around the threshold of 50 ms that the test watches with.
NEAR_THRESHOLD = (0.030, 0.080)
FLAVOURS = ("callback", "step", "wakeup")
UNMEASURED = 0.120  # length of the blocks of warm-up and cool-down
PAUSE = (0.002, 0.010)  # the loop is idle for this long between ticks


class Block:
    """One planned block of the loop: who blocks, for how long, as what kind of callback."""

    def __init__(self, number, blocker, seconds, flavour, measured):
        self.number = number
        self.blocker = blocker
        self.seconds = seconds
        self.flavour = flavour
        self.measured = measured
        named = flavour != "callback" and sys.version_info >= (3, 8)  # tasks of 3.7 have no names
        self.task_name = "order-%d" % number if named else ""
        self.start = self.end = self.left = 0

    def run(self):
        self.start = time.monotonic_ns()
        self.blocker(self.seconds)
        self.end = time.monotonic_ns()
        self.tick, self.index = place_in_tick()
        self.left = time.monotonic_ns()  # the callback goes on until here at least

    def record(self):
        return dict(
            number=self.number, kind=self.blocker.kind, flavour=self.flavour, measured=self.measured,
            start=self.start, end=self.end, left=self.left, tick=self.tick, index=self.index,
            file=self.blocker.file, function=self.blocker.function, lines=self.blocker.lines,
            calls=self.blocker.calls, taskName=self.task_name,
            coroutine={"step": "handle_order", "wakeup": "handle_order_later"}.get(self.flavour, ""),
        )  # fmt: skip


def place_in_tick():
    """When asyncio says that this tick began, in ns, and which callback of it this is: asyncio's own loop variables.

    Asked after the block has been timed: the look materialises frame objects, which no block should have.
    """
    frame = sys._getframe(1)
    while frame.f_code.co_name != "_run_once":
        frame = frame.f_back
    variables = frame.f_locals
    return round(variables["end_time"] * 1e9), variables["i"]


async def handle_order(block, done):
    block.run()
    done()


async def handle_order_later(block, gate, done):
    await gate
    block.run()
    done()


class Stalls:
    def __init__(self, seed, seconds, count, once):
        self._random = random.Random(seed)
        self._seconds, self._count, self._once = seconds, count, once
        self._blockers = Blockers()
        self._records = []
        self._numbers = 0
        self._words = set()
        self._tasks = set()

    async def main(self):
        threading.Thread(target=self._listen, args=(asyncio.get_running_loop(),), name="ears", daemon=True).start()
        ready(tid=os.getpid())  # the main thread's
        await self._idle_blocks_until("go")
        begin = time.monotonic_ns()
        for blocks in self._each_once() if self._once else self._at_random(begin):
            await self._run_tick(blocks)
        say("measured", **{"from": begin, "until": time.monotonic_ns()})
        await self._idle_blocks_until("end")
        self._blockers.close()
        for record in self._records:
            say("block", **record)
        say("done")

    def _listen(self, loop):
        while True:
            word = hear()
            if not word:
                os._exit(1)  # the test is gone
            loop.call_soon_threadsafe(self._words.add, word)

    async def _idle_blocks_until(self, word):
        while word not in self._words:
            await self._run_tick([self._block(UNMEASURED, "callback", measured=False)])

    def _each_once(self):
        """Each kind of block by itself, as each flavour in turn."""
        for number, blocker in enumerate(self._blockers.all):
            self._numbers += 1
            yield [Block(self._numbers, blocker, self._once, FLAVOURS[number % len(FLAVOURS)], measured=True)]

    def _at_random(self, begin):
        measured = 0
        while measured < self._count and time.monotonic_ns() - begin < self._seconds * 1e9:
            blocks = self._plan_tick()
            measured += len(blocks)
            yield blocks

    def _plan_tick(self):
        """Most ticks hold one block; some several, with neighbours that are short or block themselves."""
        shape = self._random.choices(["single", "behind short ones", "together"], [6, 3, 2])[0]
        if shape == "single":
            return [self._block(self._length(), self._flavour(), measured=True)]
        if shape == "behind short ones":
            short = [self._block(self._random.uniform(0, 0.002), self._flavour(), measured=True)
                     for _ in range(self._random.randint(1, 5))]  # fmt: skip
            return short + [self._block(self._length(), self._flavour(), measured=True)]
        return [self._block(self._length(), self._flavour(), measured=True) for _ in range(self._random.randint(2, 4))]

    def _block(self, seconds, flavour, measured):
        self._numbers += 1
        return Block(self._numbers, self._random.choice(self._blockers.all), seconds, flavour, measured)

    def _length(self):
        bounds = NEAR_THRESHOLD if self._random.random() < 0.4 else (SHORTEST, LONGEST)
        return self._random.uniform(*bounds)

    def _flavour(self):
        return self._random.choice(FLAVOURS)

    async def _run_tick(self, blocks):
        """Runs the blocks as consecutive callbacks of one tick, in this order, then lets the loop be idle."""
        loop = asyncio.get_running_loop()
        finished = loop.create_future()
        left = [len(blocks)]

        def done():
            left[0] -= 1
            if not left[0]:
                finished.set_result(None)

        gates = {block: loop.create_future() for block in blocks if block.flavour == "wakeup"}
        for block, gate in gates.items():
            self._start(handle_order_later(block, gate, done), block)
        await asyncio.sleep(0)  # they now wait at their gates
        for block in blocks:
            if block.flavour == "wakeup":
                gates[block].set_result(None)
            elif block.flavour == "step":
                self._start(handle_order(block, done), block)
            else:
                loop.call_soon(self._call_back, block, done)
        await finished
        self._records.extend(block.record() for block in blocks)
        await asyncio.sleep(self._random.uniform(*PAUSE))

    @staticmethod
    def _call_back(block, done):
        block.run()
        done()

    def _start(self, coroutine, block):
        task = asyncio.get_running_loop().create_task(coroutine)
        if block.task_name:
            task.set_name(block.task_name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--once", type=float, help="not at random: each kind of block once, for so many seconds")
    arguments = parser.parse_args()
    asyncio.run(Stalls(arguments.seed, arguments.seconds, arguments.count, arguments.once).main())


if __name__ == "__main__":
    main()
