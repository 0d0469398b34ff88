"""A stack of frames with odd names and files that tells of itself, then waits.

ready: {"frames": [[function, file, line], …]}, innermost first, by the interpreter itself; what UTF-8 cannot say is written
as CPython's backslashreplace does.
"""

import os
import sys

from wire import hear, name_in_snag, ready

FILES = [
    "<string>",
    "",
    "naïve.py",
    "\u0436/\u20ac.py",
    "\U0001f40d.py",
    os.fsdecode(b"not/utf-8-\xff\x80.py"),
    "two\nlines.py",
    "a;b c.py",
    "\x1b]0;title\x07.py",
    "\u202eyp.evil",
    "<script>&\"'.py",
    "%s{0}\\n.py",
    "x" * 9000 + ".py",
    "\u20ac" * 3000 + ".py",
]
FUNCTIONS = [
    "naïve",
    "\u0436\u20ac",
    "\U0001f40d",
    "lone \ud800 surrogate",
    "\udcff",
    "semi;colon",
    "new\nline",
    "\x1b[2J",
    "nul\x00",
    "<lambda>",
    "",
    "y" * 9000,
]
SOURCE = "\n" * 40 + "def call(inner):\n    return (\n        inner()\n    )\n"


def made(name, file, inner):
    names = {}
    exec(compile(SOURCE, "made.py", "exec"), names)
    function = names["call"]
    odd = dict(co_filename=file, co_name=name)
    if hasattr(function.__code__, "co_qualname"):
        odd["co_qualname"] = name
    function.__code__ = function.__code__.replace(**odd)
    return lambda: function(inner)


def generator(inner):
    yield inner()


class Coroutine:
    def __await__(self):
        return (yield from generator(self.inner))


async def coroutine(inner):
    awaitable = Coroutine()
    awaitable.inner = inner
    return await awaitable


async def asynchronous_generator(inner):
    yield inner()


async def iterate(inner):
    async for _ in asynchronous_generator(inner):
        pass


def escaped(text):
    return text.encode("utf-8", "backslashreplace").decode()


def account():
    frame = sys._getframe(1)
    frames = [["hear", hear.__code__.co_filename, 0]]
    while frame is not None:
        code = frame.f_code
        frames.append([escaped(name_in_snag(code)), escaped(code.co_filename), frame.f_lineno])
        frame = frame.f_back
    return frames


def tell():
    ready(frames=account()); hear(); os._exit(0)  # on one line: the account holds while it waits


def main():
    inner = tell
    for file in FILES:
        inner = made("of_file", file, inner)
    for name in FUNCTIONS:
        inner = made(name, "plain.py", inner)
    innermost = inner
    for runner in (coroutine, iterate):
        inner = lambda runner=runner, inner=innermost: runner(inner).send(None)  # noqa: E731
        innermost = inner
    exec(compile("\n\nrun()", "<string>", "exec"), {"run": lambda: [inner() for _ in "x"]})


if __name__ == "__main__":
    main()
