"""An event loop that forks a child from within a callback; the child works on, below the frames of a loop that it never runs.

    stdout: {"ready"}, {"child": {pid}} once the child is at work, {"blocked": {…}} after each block of the parent's own
    stdin:  "fork" starts the child, "block" blocks the loop for 200 ms, "end" ends both
"""

import asyncio
import os
import signal
import sys
import time

from wire import ready, say


def block_the_loop():
    start = time.monotonic_ns()
    time.sleep(0.2)
    say("blocked", start=start, end=time.monotonic_ns())


def child_at_work():
    say("child", pid=os.getpid())
    while True:
        sum(range(1000))


class Forker:
    def __init__(self):
        self._child = 0

    def fork(self):
        self._child = os.fork()
        if self._child == 0:
            child_at_work()

    def end(self):
        if self._child:
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)

    async def run(self):
        ready()
        loop = asyncio.get_running_loop()
        words = {"fork": self.fork, "block": block_the_loop}
        while True:
            word = (await loop.run_in_executor(None, sys.stdin.readline)).strip()
            if word not in words:
                return self.end()
            words[word]()


asyncio.run(Forker().run())
