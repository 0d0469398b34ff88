"""An event loop whose very first callback blocks for seconds, so that Snag has to attach into the middle of it.

stdout: {"ready"}, {"blocking": {start, …}} as the block begins, {"blocked": {end}} when it is over. stdin: "end".
"""

import argparse
import asyncio
import time

from blockers import Payment, crunch, rounds_per_second
from wire import hear, marked_lines, name_in_snag, ready, say

NEIGHBOUR_SECONDS = 0.5


class Block:
    """Blocks once, and says when it began, where, and when it was over."""

    def __init__(self, kind, seconds):
        if kind == "sleep":
            culprit, self._run = Payment.settle, lambda: Payment().settle(seconds)
        else:
            rounds = int(rounds_per_second(crunch) * seconds)
            culprit, self._run = crunch, lambda: crunch(rounds)
        self._truth = dict(function=name_in_snag(culprit.__code__), lines=marked_lines(culprit))

    def __call__(self):
        say("blocking", start=time.monotonic_ns(), **self._truth)
        self._run()
        say("blocked", end=time.monotonic_ns())


async def handle_first_order(block):
    block()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--kind", choices=["sleep", "cpu"], default="sleep")
    parser.add_argument("--later", action="store_true", help="not the tick's first callback: one of 0.5 s goes before")
    arguments = parser.parse_args()
    block = Block(arguments.kind, arguments.seconds)
    loop = asyncio.new_event_loop()
    ready()
    if arguments.later:
        loop.call_soon(time.sleep, NEIGHBOUR_SECONDS)
        loop.call_soon(block)
    else:
        loop.create_task(handle_first_order(block)).set_name("first-order")
    loop.run_until_complete(loop.run_in_executor(None, hear))


if __name__ == "__main__":
    main()
