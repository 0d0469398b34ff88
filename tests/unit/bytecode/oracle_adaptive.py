"""Code as the evaluation loop has rewritten it. Usage: oracle_adaptive.py > records     (nothing before Python 3.11)

Runs some of the standard library until it is specialised, and instruments some more (3.12). Under a second tier (PYTHON_JIT=1,
from 3.14 where the interpreter was built with it) until much is compiled, and instruments nothing. Records as in
oracle_corpus.py:
  0 co_code    1 the same as it lies in memory    2 what each ENTER_EXECUTOR lies over, by its argument: opcode, argument
"""

import ctypes
import dis
import gc
import json
import re
import sys
import textwrap
import types

from oracle_corpus import VERSION, write_record

if VERSION >= (3, 13):
    import _opcode

TEXT = "Snag finds what an asyncio event loop is snagged on. " * 20


class Point:
    __slots__ = ("x", "y")

    def __init__(self, x, y=1.5):
        self.x, self.y = x, y

    def moved(self, by):
        return Point(self.x + by, self.y - by)


def arithmetic(points):
    total, words, table = 0, "", {}
    for i, point in enumerate(points):
        total += point.moved(i).x * 2 - i
        words += str(i)
        table[i] = table.get(i, 0) + len(words)
        if point.y > 1.0 and i != 7 and words == words:
            first, second = (i, total)
            total = first + second
    return [total, words[0], sum(n for n in range(3)), type(total), isinstance(total, int), table]


def work():
    json.loads(json.dumps({"a": [1, 2.5, None, "x"]}, indent=1))
    textwrap.fill(TEXT, 40)
    re.compile("(a|b)*c%d" % len(TEXT)).match("abc")
    arithmetic([Point(n) for n in range(20)])


def instrumented():
    """All events that replace one instruction by one: those of lines and of single instructions say nothing of what was there."""
    monitoring, events = sys.monitoring, sys.monitoring.events
    monitoring.use_tool_id(0, "oracle")
    chosen = (events.CALL, events.JUMP, events.BRANCH, events.PY_START, events.PY_RETURN, events.PY_YIELD,
              events.PY_RESUME, events.STOP_ITERATION)
    for event in chosen:
        monitoring.register_callback(0, event, lambda *arguments: None)
    total = 0
    for event in chosen:
        total |= event
    monitoring.set_events(0, total)


def covered(code):
    """From the executors: struct _PyExecutorObject of pycore_optimizer.h, vm_data.opcode and .oparg."""
    result = bytearray()
    raw = code._co_code_adaptive
    for at in range(0, len(raw), 2) if compiles() else ():
        if raw[at] == dis.opmap["ENTER_EXECUTOR"]:
            try:
                executor = _opcode.get_executor(code, at)
            except ValueError:
                continue  # the same byte in a cache
            index = 2 * raw[at + 1]
            result.extend(bytes(max(0, index + 2 - len(result))))
            result[index:index + 2] = ctypes.string_at(id(executor) + 32, 2)
    return bytes(result)


def compiles():
    return hasattr(sys, "_jit") and sys._jit.is_enabled()


def rewritten():
    return {(one.__code__.co_code, one.__code__._co_code_adaptive, covered(one.__code__)) for one in gc.get_objects()
            if isinstance(one, types.FunctionType) and one.__code__._co_code_adaptive != one.__code__.co_code}


# A loop that EXTENDED_ARG leads back from.
LONG_LOOP = """
def long_loop(n):
    total = 0
    for i in range(n):
%s
    return total
""" % ("        if total < 0: total += i * 2\n" * 40)


def main():
    if VERSION < (3, 11):
        return
    namespace = {}
    exec(LONG_LOOP, namespace)
    for _ in range(400 if compiles() else 100):
        work()
        namespace["long_loop"](50)
    found = rewritten()
    if VERSION >= (3, 12) and not compiles():
        instrumented()
        work()
        found |= rewritten()
    for fields in found:
        write_record(sys.stdout.buffer, fields)


if __name__ == "__main__":
    main()
