"""A process to make core files of: threads that block where it says, and a loop whose task blocks it, or ends the process.

Before that, and after all other threads were seen in the system calls that they block in, it gives its account:
{"account": {threads: [{tid, stack: [[function, file, line], innermost first], call}], task: {name, coroutine}}}.
"""

import argparse
import asyncio
import ctypes
import os
import sys
import threading
import time

from wire import hear, ready, say, stack_of

TASK = "order-\N{LATIN SMALL LETTER E WITH ACUTE}-7"
DEEP = 400
GETTID = 186  # of x86-64
# What a thread may sit in, by the first two words of /proc/self/task/TID/syscall: 0 read, 202 futex, and what the
# versions of time.sleep() use: select in two forms, 230 clock_nanosleep.
READ, FUTEX, SLEEPS = "0", "202", ("23", "270", "230")


def gettid():
    return ctypes.CDLL(None).syscall(GETTID)


class Worker(threading.Thread):
    """Blocks in one call, some frames deep."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self.call = call
        self.tid = 0

    def run(self):
        self.tid = gettid()
        self.block()

    def is_blocked(self):
        if not self.tid:
            return False
        with open("/proc/self/task/%d/syscall" % self.tid) as file:
            words = file.read().split()
        return self.blocks_in(words)


class Reader(Worker):
    def __init__(self):
        super().__init__("read")
        self.pipe = os.pipe()

    def block(self):
        for _ in self.through_a_generator():
            pass

    def through_a_generator(self):
        yield (
            os.read(
                self.pipe[0],
                1,
            )
        )

    def blocks_in(self, words):
        return words[0] == READ and int(words[1], 16) == self.pipe[0]


class Locked(Worker):
    def __init__(self):
        super().__init__("acquire")
        self.lock = threading.Lock()
        self.lock.acquire()

    def block(self):
        # A name and a file that no source has.
        source = "def \N{LATIN SMALL LETTER U WITH DIAERESIS}ber(lock):\n\n  lock.acquire()\n"
        scope = {}
        exec(compile(source, "<made of \N{SNOWMAN}>", "exec"), scope)
        scope["\N{LATIN SMALL LETTER U WITH DIAERESIS}ber"](self.lock)

    def blocks_in(self, words):
        return words[0] == FUTEX and int(words[4], 16) == 0  # whoever waits for the GIL has a timeout


class Deep(Worker):
    def __init__(self):
        super().__init__("sleep")

    def block(self, depth=DEEP):
        if depth:
            self.block(depth - 1)
        else:
            time.sleep(100_000)

    def blocks_in(self, words):
        return words[0] in SLEEPS


def give_account(workers, call):
    """Of the caller's frame, and of all other threads."""
    while not all(worker.is_blocked() for worker in workers):
        os.sched_yield()
    frames = sys._current_frames()
    threads = [{"tid": worker.tid, "stack": stack_of(frames[worker.ident]), "call": worker.call} for worker in workers]
    threads.append({"tid": os.getpid(), "stack": stack_of(sys._getframe(1)), "call": call})
    say("account", threads=threads, task={"name": TASK, "coroutine": "order"})


def block_or_end(workers, ends):
    if ends:
        return give_account(workers, "abort") or os.abort()
    return give_account(workers, "readline") or sys.stdin.readline()


async def inner(workers, ends):
    return block_or_end(workers, ends)


async def order(workers, ends):
    return await inner(workers, ends)


async def serve(workers, ends):
    task = asyncio.get_running_loop().create_task(order(workers, ends))
    if hasattr(task, "set_name"):  # 3.8
        task.set_name(TASK)
    await task


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--filter", help="what the kernel is to write into a core, hexadecimal: core(5)")
    parser.add_argument("--abort", action="store_true", help="end by SIGABRT once the test says so")
    options = parser.parse_args()
    if options.filter:
        with open("/proc/self/coredump_filter", "w") as file:
            file.write(options.filter)
    workers = [Reader(), Locked(), Deep()]
    for worker in workers:
        worker.start()
    ready()
    hear()
    asyncio.run(serve(workers, options.abort))


if __name__ == "__main__":
    main()
