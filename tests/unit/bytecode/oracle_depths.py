"""The true depth of the value stack where real code runs. Usage: oracle_depths.py > records

While a trace function runs, the evaluation loop has stored its stack pointer in the frame: before every instruction to 3.11,
before the first of every line since. Format of records as in oracle_corpus.py. Fields:
  0 co_code    1 co_exceptiontable    2 u32 pairs: offset of the instruction, depth of the value stack
"""

import array
import asyncio
import ctypes
import importlib
import sys
import types
import unittest

from oracle_corpus import VERSION, packed, write_record

# Calls of one code object that are traced: a loop's tenth turn shows nothing that the first ones did not.
TRACED_CALLS = 12
# The test modules of CPython that go through all of its syntax; those that a version lacks are left out.
MODULES = ["test_grammar", "test_with", "test_coroutines", "test_asyncgen", "test_contextlib", "test_contextlib_async",
           "test_exception_variations", "test_except_star", "test_patma", "test_augassign", "test_named_expressions",
           "test_raise", "test_pep380", "test_textwrap"]


def word(address):
    return ctypes.c_uint64.from_address(address).value


def integer(address):
    return ctypes.c_int32.from_address(address).value


def local_values(code):
    """Locals, cells and free variables: what lies below the value stack. From 3.11 an argument's cell takes its place."""
    cells = [name for name in code.co_cellvars if VERSION < (3, 11) or name not in code.co_varnames]
    return len(code.co_varnames) + len(cells) + len(code.co_freevars)


def depth_of(frame):
    """Offsets: struct _frame of Include/cpython/frameobject.h, _PyInterpreterFrame of pycore_frame.h (from 3.14
    pycore_interpframe_structs.h). None while unknown."""
    address = id(frame)
    if VERSION <= (3, 9):
        stack, top = word(address + 64), word(address + 72)
        return (top - stack) // 8 if top else None
    if VERSION == (3, 10):
        depth = integer(address + 80)
        return depth if depth >= 0 else None
    if VERSION >= (3, 14):
        inner = word(address + 24)
        top = word(inner + 64)
        return (top - inner - 80) // 8 - local_values(frame.f_code) if top else None
    top = integer(word(address + 24) + 64)
    return top - local_values(frame.f_code) if top > 0 else None


class Recorder:
    def __init__(self):
        self.seen = {}
        self.calls = {}

    def on_call(self, frame, event, argument):
        code = frame.f_code
        calls = self.calls.get(code, 0)
        if calls >= TRACED_CALLS:
            return None
        self.calls[code] = calls + 1
        frame.f_trace_opcodes = True
        return self.on_event

    def on_event(self, frame, event, argument):
        if event in ("line", "opcode"):
            depth = depth_of(frame)
            if depth is not None:
                self.seen.setdefault(frame.f_code, set()).add((frame.f_lasti, depth))
        return self.on_event


def shapes():
    """What the test suite does not leave out: values below a yield, ways out of a finally block."""
    namespace = {}
    exec(SHAPES, namespace)
    for name, value in list(namespace.items()):
        if name.startswith("shape"):
            for argument in range(4):
                try:
                    list(value(argument))
                except ZeroDivisionError:
                    pass


SHAPES = """
def shape_finally_by_each_way(n):
    for _ in range(2):
        try:
            if n == 0: yield 1
            if n == 1: continue
            if n == 2: return
            if n == 3: 1 / 0
        finally:
            yield [1, (yield 2), max(3, 4)]

def kept(n):
    try:
        try:
            if n == 0: return [n, n]
            if n == 1: 1 / 0
        finally:
            len([n])
    except ZeroDivisionError as error:
        for _ in (1, 2):
            try:
                return str(error), len("abc")
            finally:
                max(1, n)
    finally:
        min(n, 5)

def shape_kept(n):
    yield kept(n), kept(n)

class Manager:
    def __init__(self, swallow): self.swallow = swallow
    def __enter__(self): return self
    def __exit__(self, *exc): return self.swallow

def shape_with(n):
    with Manager(n == 3) as a, Manager(n == 2) as b:
        yield dict(x=[a, (yield b)], **{"y": 1})
        if n: 1 / 0
        yield {**{"a": 1}}, [*range(n)], f"{n:{n}}"

def shape_nested(n):
    try:
        with Manager(False):
            try:
                1 / n
            finally:
                yield n, (yield n)
    except ZeroDivisionError as error:
        yield error
        raise
"""


def run_test_modules(recorder):
    for name in MODULES:
        try:
            module = importlib.import_module("test." + name)
        except ImportError:
            continue  # not of this version, or an interpreter without its tests
        with open("/dev/null", "w") as null:
            sys.settrace(recorder.on_call)  # a test may have left none
            suite = unittest.defaultTestLoader.loadTestsFromModule(module)
            unittest.TextTestRunner(stream=null, failfast=False).run(suite)


async def awaiting():
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(3)))
    await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(None, len, "x"), 5)


def main():
    out = sys.stdout.buffer
    sys.stdout = sys.stderr  # what the tests print
    recorder = Recorder()
    sys.settrace(recorder.on_call)
    try:
        shapes()
        asyncio.run(awaiting())
        run_test_modules(recorder)
    finally:
        sys.settrace(None)
    for code, seen in recorder.seen.items():
        pairs = array.array("I", [number for pair in sorted(seen) for number in pair])
        write_record(out, [code.co_code, getattr(code, "co_exceptiontable", b""), pairs.tobytes()])


if __name__ == "__main__":
    main()
