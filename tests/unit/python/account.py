"""A stack of odd frames that tells of itself, then blocks: `account.py CASE`.

One line of JSON per fact: [pid], then [[name, file, line], ...] innermost first, as the interpreter itself sees its
frames. Telling and blocking stand on one line, so that the account holds for the blocked stack. Lone surrogates, which
JSON in UTF-8 cannot say, are told as U+FFFD.
"""

import asyncio
import json
import os
import socket
import sys
import threading
import time
import types


def scalar(text):
    return "".join("\ufffd" if 0xD800 <= ord(c) <= 0xDFFF else c for c in text)


def tell():
    frame = sys._getframe(1)
    account = []
    while frame is not None:
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        account.append([scalar(name), scalar(code.co_filename), frame.f_lineno])
        frame = frame.f_back
    print(json.dumps([os.getpid()]))
    print(json.dumps(account), flush=True)


lock = threading.Lock()
lock.acquire()
pipe, _ = os.pipe()
ours, theirs = socket.socketpair()

FOREVER = 100_000


def in_sleep():
    tell(); time.sleep(FOREVER)


def in_read():
    tell(); os.read(pipe, 1)


def in_lock():
    tell(); lock.acquire()


def in_recv():
    tell(); ours.recv(1)


BLOCK = {"sleep": in_sleep, "read": in_read, "lock": in_lock, "recv": in_recv, "task": in_sleep}[sys.argv[1]]


class Outer:
    class Inner:
        def method(self, call):
            return call()


def generator(call):
    yield 0
    yield Outer.Inner().method(call)


async def coroutine(call):
    return sum(generator(call))


def run_coroutine(call):
    made = coroutine(call)
    made.send(None)


def of_file(code, name):
    if hasattr(code, "replace"):
        return code.replace(co_filename=name)
    return types.CodeType(code.co_argcount, code.co_kwonlyargcount, code.co_nlocals, code.co_stacksize, code.co_flags,
                          code.co_code, code.co_consts, code.co_names, code.co_varnames, name, code.co_name,
                          code.co_firstlineno, code.co_lnotab, code.co_freevars, code.co_cellvars)  # 3.7


def executed(name, call):
    """A call through code that exec made, of a file that has this name."""
    text = "\n" * 300 + "def from_file(call):\n    x = 1\n\n    return (\n        call()\n    )\n"
    names = {}
    exec(compile(text, "exec.py", "exec"), names)
    function = names["from_file"]
    function.__code__ = of_file(function.__code__, name)
    return lambda: function(call)


def recursive(depth, call):
    return call() if depth == 0 else recursive(depth - 1, call)


def odd_stack():
    call = BLOCK
    for name in ("na\u00efve.py", "\u0436/\u20ac.py", "\U0001f40d.py", "un\udc80der.py", "two\nlines.py", ""):
        call = executed(name, call)
    shown = call
    recursive(50, lambda: [run_coroutine(shown) for _ in "x"])


async def worker():
    odd_stack()


async def main():
    task = asyncio.ensure_future(worker())
    if hasattr(task, "set_name"):
        task.set_name("the worker")
    await task


if sys.argv[1] == "task":
    asyncio.run(main())
else:
    odd_stack()
