"""Threads of every kind that tell who they are: threading's own, with odd names, and some that it does not know.

`crowd.py [--threads N] [--churn] [--finalise]`. Words: "account" (every Python thread: its number by the kernel, its name,
its frames outermost first), "rename", "fork" (by C alone, behind CPython's back), "end". Names and files are told as
CPython's backslashreplace writes them.
"""

import _thread
import argparse
import ctypes
import os
import signal
import sys
import threading

from wire import hear, ready, say

libc = ctypes.CDLL(None, use_errno=True)
SYS_GETTID = 186  # x86-64
PR_SET_PDEATHSIG = 1
STACK = 256 * 1024  # bytes of each thread: thousands of them

ODD_NAMES = ["worker;1", "naïve \u20ac \U0001f40d", "lone \ud800", "two\nlines", "\x1b[31mred", "", " ", "\u202eback", "x" * 5000, "\x00"]

barrier = _thread.allocate_lock()  # held for ever by main(); who acquires it waits
numbers = {}  # ident → number by the kernel


def number():
    return libc.syscall(SYS_GETTID)


def wait_here(started):
    numbers[_thread.get_ident()] = number()
    started.release()
    barrier.acquire()


class Early(threading.Thread):
    """Has attributes of its own before those of threading, and its __dict__ was asked for."""

    def __init__(self, *arguments, **options):
        self.first, self.second = 1, 2
        super().__init__(*arguments, **options)
        vars(self)["third"] = 3

    def run(self):
        wait_here(*self._args)


def start_threads(count):
    started = threading.Semaphore(0)
    names = ODD_NAMES + ["worker-%d" % i for i in range(count)]
    for i, name in enumerate(names):
        kind = Early if i % 5 == 0 else threading.Thread
        thread = kind(target=wait_here, args=(started,), daemon=True)
        thread.name = name
        thread.start()
    _thread.start_new_thread(wait_here, (started,))  # one that threading does not know
    for _ in range(len(names) + 1):
        started.acquire()


# Kept: C code refers to them.
run_in_c_thread = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(lambda _: wait_here(c_started))
c_started = threading.Semaphore(0)


def start_c_threads():
    """One that never meets Python, and one that C made and that runs Python."""
    for routine in (libc.pause, run_in_c_thread):
        handle = ctypes.c_ulong()
        start = ctypes.cast(routine, ctypes.c_void_p)
        assert libc.pthread_create(ctypes.byref(handle), None, start, None) == 0
    c_started.acquire()


def escaped(text):
    return text.encode("utf-8", "backslashreplace").decode()


def kernel_name(tid):
    with open("/proc/self/task/%d/comm" % tid, "rb") as file:
        return file.read().decode("utf-8", "replace")[:-1]


def frames_of(frame):
    frames = []
    while frame is not None:
        frames.append(frame.f_code.co_name)
        frame = frame.f_back
    return frames[::-1]


def tell():
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    threads = []
    for ident, frame in sys._current_frames().items():
        if ident not in numbers:
            continue  # of a churn: it comes and goes
        tid = numbers[ident]
        name = names.get(ident) or kernel_name(tid)
        threads.append(dict(tid=tid, name=escaped(name), frames=frames_of(frame)))
    say("account", threads=threads)


def rename():
    for i, thread in enumerate(threading.enumerate()):
        thread.name = "renamed %d \u20ac" % i


def churn():
    while True:
        thread = threading.Thread(target=len, args=("",), name="short")
        thread.start()
        thread.join()


def fork_behind_the_back():
    child = libc.fork()
    if child == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        say("forked", pid=os.getpid())
        while True:
            signal.pause()


class Last:
    """Goes when the interpreter's modules are taken apart, and waits then."""

    def __del__(self, write=os.write, read=os.read):  # sys.stdout is none any more
        write(1, b'{"finalising": {}}\n')
        read(0, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument("--churn", action="store_true")
    parser.add_argument("--finalise", action="store_true")
    options = parser.parse_args()
    barrier.acquire()
    numbers[_thread.get_ident()] = number()
    if options.finalise:
        sys.last_of_all = Last()  # what daemon threads refer to is not taken apart, but sys is
    before = threading.stack_size(STACK)
    start_threads(options.threads)
    threading.stack_size(before)
    start_c_threads()
    if options.churn:
        threading.Thread(target=churn, daemon=True).start()
    ready()
    words = {"account": tell, "rename": rename, "fork": fork_behind_the_back}
    for word in iter(hear, "end"):
        if not word:
            break
        words[word]()
        if word != "account":
            say("done", word=word)
    if not options.finalise:
        os._exit(0)


if __name__ == "__main__":
    main()
