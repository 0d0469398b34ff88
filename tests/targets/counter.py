"""An event loop that counts, blocks now and then, and does what it is told; the victim of the tests of bad input.

stdin: "ping" asks for {"pong": {count}}, "quiet" and "noisy" stop and start the blocks, "exit" ends it, "exec" turns it into another
program. The words are heard by a thread, so that a blocked loop answers too.
"""

import asyncio
import os
import threading
import time

from wire import hear, ready, say


class Counter:
    BLOCK_SECONDS = 0.15
    TICK_SECONDS = 0.001
    TICKS_BETWEEN_BLOCKS = 50

    def __init__(self):
        self._count = 0
        self._noisy = True

    async def count(self):
        while True:
            self._count += 1
            if self._noisy and self._count % self.TICKS_BETWEEN_BLOCKS == 0:
                self.block()
            await asyncio.sleep(self.TICK_SECONDS)

    def block(self):
        time.sleep(self.BLOCK_SECONDS)

    def obey(self):
        while True:
            word = hear()
            if word == "ping":
                say("pong", count=self._count)
            elif word in ("quiet", "noisy"):
                self._noisy = word == "noisy"
            elif word == "exec":
                os.execv("/bin/cat", ["cat"])  # ends when the test closes stdin
            else:
                os._exit(0)


def main():
    counter = Counter()
    threading.Thread(target=counter.obey, name="ears", daemon=True).start()
    asyncio.get_event_loop_policy().new_event_loop().run_until_complete(announce(counter))


async def announce(counter):
    ready(tid=threading.main_thread().native_id)
    await counter.count()


if __name__ == "__main__":
    main()
