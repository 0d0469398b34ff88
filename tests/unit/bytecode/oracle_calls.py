"""Frames that stand in C code, and what they truly call there. Usage: oracle_calls.py > records

Each probe is called back by C code that a statement of WORKLOAD runs: it copies the value stack of the frame below it and says
what that frame is doing. Every statement runs often enough to be specialised. Records as in oracle_corpus.py. Fields:
  0 co_code, from 3.11 as it lies in memory    3 kind    4 method    5 i32 name index, -1 for none
  1 co_exceptiontable                          6 u64 addresses: what a slot must hold, any of them; none: nothing to look for
  2 u32 offset of the instruction              7 u64 words: the value stack    8 the statement
"""

import ctypes
import dis
import functools
import gc
import sys
import types

from oracle_corpus import VERSION, packed, write_record
from oracle_depths import local_values, word

RUNS = 60  # past the warm-up of specialisation and its backoff, 3.11 to 3.13
RECORDED = {0, 1, 2, 8, 9, 10, RUNS - 2, RUNS - 1}
ALL_NAMES = getattr(dis, "_all_opname", dis.opname)
INLINED = {"LOAD_ATTR_GETATTRIBUTE_OVERRIDDEN", "BINARY_SUBSCR_GETITEM"}
state = types.SimpleNamespace(run=0, records={}, statement="")


def value_stack(frame):
    address = id(frame)
    if VERSION <= (3, 9):
        first = address + 360
    elif VERSION == (3, 10):
        first = address + 352
    else:
        first = word(address + 24) + (72 if VERSION <= (3, 13) else 80)
    first += 8 * local_values(frame.f_code)
    return ctypes.string_at(first, 8 * frame.f_code.co_stacksize)


def probe(frame, kind, method="", holder=None, name=None):
    """`holder`: the object that a slot holds, directly or as the __self__ or __func__ of a bound method."""
    if state.run not in RECORDED:
        return
    while frame.f_code.co_filename != "workload":
        frame = frame.f_back
    code = frame.f_code
    stack = value_stack(frame)
    addresses = []
    if holder is not None:
        addresses = [id(holder)]
        bound = (types.MethodType, types.BuiltinMethodType)
        if kind == "call" and VERSION <= (3, 10):  # where a method called with keywords is bound before
            addresses += [id(one) for one in gc.get_objects()
                          if type(one) is types.BuiltinMethodType and one.__name__ == getattr(holder, "__name__", "")]
        addresses += [id(one) for one in gc.get_referrers(holder)
                      if type(one) in bound and (one.__self__ is holder or getattr(one, "__func__", None) is holder)]
    raw = getattr(code, "_co_code_adaptive", code.co_code)
    starts = [row[0] for row in dis._unpack_opargs(code.co_code) if row[-2] != dis.opmap.get("CACHE", -1)]
    if ALL_NAMES[raw[max(start for start in starts if start <= frame.f_lasti)]] in INLINED:  # it may stand in its caches
        addresses = []  # a Python frame now owns the operand
    fields = (raw, getattr(code, "co_exceptiontable", b""),
              packed("I", [frame.f_lasti]), kind.encode(), method.encode(),
              packed("i", [-1 if name is None else code.co_names.index(name)]), packed("Q", addresses), stack,
              state.statement.encode())
    state.records[fields] = None


def special(name, result=None):
    """A special method that reports itself and returns result(self)."""
    def method(self, *args):
        probe(sys._getframe(1), "special", name, self)
        return result(self) if result else self
    return method


def reporting(kind, name, result=lambda self: None):
    def method(self, *args):
        if kind == "enter" and VERSION >= (3, 14):  # a call like others; a Python frame owns its operands
            probe(sys._getframe(1), "call")
        else:
            probe(sys._getframe(1), kind, name, self)
        return result(self)
    return method


class Thing:
    __enter__ = reporting("enter", "__enter__")
    __aenter__ = reporting("enter", "__aenter__", lambda self: Awaited())
    __iter__ = special("__iter__", lambda self: iter([1, 2]))
    __len__ = lambda self: 3
    __bool__ = special("__bool__", lambda self: True)
    __format__ = special("__format__", lambda self: "")
    __str__ = special("__str__", lambda self: "")
    __repr__ = special("__repr__", lambda self: "")
    __hash__ = object.__hash__
    __getitem__ = special("__getitem__", lambda self: 0)
    __setitem__ = special("__setitem__")
    __delitem__ = special("__delitem__")
    __contains__ = special("__contains__", lambda self: True)

    def __exit__(self, *exc):
        return True

    async def __aexit__(self, *exc):
        return True


for _name in ("lt le gt ge eq ne add sub mul matmul truediv floordiv mod pow lshift rshift and or xor iadd isub imul imatmul "
              "itruediv ifloordiv imod ipow ilshift irshift iand ior ixor neg pos invert").split():
    setattr(Thing, "__%s__" % _name, special("__%s__" % _name))


class Awaited:
    def __await__(self):
        return iter(())


class Awaitable:
    def __await__(self):
        probe(sys._getframe(1), "special", "__await__", self)
        return iter(())


class Attributes:
    def __getattribute__(self, name):
        probe(sys._getframe(1), "attribute", "__getattribute__", self, name)
        return functools.partial(int)

    def __setattr__(self, name, value):
        probe(sys._getframe(1), "attribute", "__setattr__", self, name)

    def __delattr__(self, name):
        probe(sys._getframe(1), "attribute", "__delattr__", self, name)


class Iterator:
    def __init__(self):
        self.left = 3

    def __iter__(self):
        return self

    def __next__(self):
        probe(sys._getframe(1), "special", "__next__", self)
        self.left -= 1
        if self.left < 0:
            raise StopIteration
        return self.left


class Sent:
    """Not a generator: yield from calls its send()."""
    def __iter__(self):
        return self

    def __next__(self):
        probe(sys._getframe(1), "special", "send", self)
        raise StopIteration


class AsyncIterator:
    def __init__(self):
        self.left = 2

    def __aiter__(self):
        probe(sys._getframe(1), "special", "__aiter__", self)
        return self

    def __anext__(self):
        probe(sys._getframe(1), "special", "__anext__", self)
        self.left -= 1
        if self.left < 0:
            raise StopAsyncIteration
        return Awaited()


class Released:
    def __del__(self):
        probe(sys._getframe(1), "release", "__del__")


class Finder:
    def find_spec(self, name, path, target=None):
        if name == "snag_no_such_module":
            probe(sys._getframe(1), "import", "", None, name)
        return None


def callback(*args, **keywords):
    probe(sys._getframe(1), "call", "", called)
    return 0


# Callables written in C that call back. `called` is what the frame's slot must hold while they run.
partial = functools.partial(callback)
called = partial


class Holder:
    method = partial  # to 3.13 no descriptor, but an attribute


class Exiting:
    """Its __exit__ is a callable written in C. A partial with arguments would lend its slot to the first of them."""
    def __init__(self, kind):
        def leave(*exc):
            probe(sys._getframe(1), kind, "" if kind == "call" else "__exit__", exit if VERSION > (3, 8) else None)
            return True

        exit = functools.partial(leave)
        self.__class__ = type("Exiting", (Exiting,), {"__exit__": exit})

    def __enter__(self):
        return self


class Entering:
    """Its __enter__ is a callable written in C: from 3.14 a call like others."""
    def __init__(self):
        def begin(*args):
            if VERSION >= (3, 14):
                probe(sys._getframe(1), "call", "", enter)
            else:
                probe(sys._getframe(1), "enter", "__enter__", self)

        enter = functools.partial(begin)
        self.__class__ = type("Entering", (Entering,), {"__enter__": enter})

    def __exit__(self, *exc):
        return None


class Mapping:
    keys = reporting("special", "keys", lambda self: ["k"])

    def __getitem__(self, key):
        return 0


def text(one):
    callback()
    return "a"


def calling(expected):
    global called
    called = expected


WORKLOAD = """
partial()
partial(1, 2)
partial(x=1)
partial(1, y=2)
partial(*[1])
partial(*[1], **{'x': 1})
[partial(1), partial(2, [partial(3)])]
Holder.method(1)
holder.method(1, 2)
holder.method(x=1)
calling(list.__dict__['sort']); [1, 2].sort(key=callback)
calling(sorted); sorted([2, 1], key=callback)
calling(max); len([max([1, 2], key=callback)])
calling(list); list(map(callback, [1]))
calling(tuple); tuple(map(callback, [1]))
calling(str.__dict__['join']); ''.join(map(text, [1]))
calling(isinstance); isinstance(1, checked)
calling(sum); sum(map(callback, [1]))
for x in [1, 2]: partial(x)
try:
    1 / 0
except ZeroDivisionError as error: partial(1)
with thing as x: partial(1)
with thing: partial(1, *[2])
with Entering(): pass
with Exiting(on_exit): pass
with Exiting('exit'): 1 / 0
iter_ = [*thing]
{*thing}
for x in thing: pass
for x in Iterator(): pass
[x for x in ()] or [0 for x in [1] for y in Iterator()]
a, b = thing
a, *b = thing
partial(0, *thing)
{**mapping}
dict(x=1, **mapping)
thing[1]
thing[1:2]
thing[1] = 2
thing[1:2] = 3
del thing[1]
1 in thing
1 not in thing
thing < 1
thing <= 1
thing > 1
thing >= 1
thing == 1
thing != 1
[thing + 1, thing - 1, thing * 1, thing @ 1, thing / 1, thing // 1, thing % 1, thing ** 1]
[thing << 1, thing >> 1, thing & 1, thing | 1, thing ^ 1]
x = thing; x += 1; x -= 1; x *= 1; x @= 1; x /= 1; x //= 1; x %= 1; x **= 1; x <<= 1; x >>= 1; x &= 1; x |= 1; x ^= 1
-thing; +thing; ~thing
not thing
x = 1 if thing else 2
thing and 1
thing or 1
while thing: break
f'{thing}'
f'{thing:>3}'
f'{thing!s}'
f'{thing!r:>3}'
attributes.some
attributes.called(1)
attributes.some = 1
del attributes.some
released = Released(); released = None
Released()
x = Released(); del x
try: import snag_no_such_module
except ImportError: pass
try: from snag_no_such_module import x
except ImportError: pass
"""

ASYNC_WORKLOAD = """
await Awaitable()
async with thing as x: partial(1)
async for x in AsyncIterator(): partial(1)
[x async for x in AsyncIterator()]
"""


class Checked(type):
    def __instancecheck__(cls, one):
        callback()
        return True


def statements(text):
    """The statements of a workload; a line that an `except` or an indented one follows belongs to it."""
    found = []
    for line in text.strip().split("\n"):
        if found and line.startswith((" ", "except")):
            found[-1] += "\n" + line
        else:
            found.append(line)
    return found


def run(statement, head, drive):
    source = head + "\n".join("    " + line for line in statement.split("\n")) + "\n"
    namespace = dict(globals(), thing=Thing(), mapping=Mapping(), holder=Holder(), attributes=Attributes(),
                     checked=Checked("C", (), {}), on_exit="call" if VERSION > (3, 8) else "exit")
    exec(compile(source, "workload", "exec"), namespace)
    state.statement = statement
    for state.run in range(RUNS):
        calling(partial)
        drive(namespace["work"])
    if not any(fields[-1] == statement.encode() for fields in state.records):
        sys.stderr.write("nothing reported by: %s\n" % statement)


def drain(work):
    try:
        work().send(None)
    except StopIteration:
        pass


def main():
    sys.meta_path.insert(0, Finder())
    for statement in statements(WORKLOAD):
        run(statement, "def work():\n", lambda work: work())
    run("yield from Sent()", "def work():\n", lambda work: list(work()))
    for statement in statements(ASYNC_WORKLOAD):
        run(statement, "async def work():\n", drain)
    for fields in state.records:
        write_record(sys.stdout.buffer, fields)


if __name__ == "__main__":
    main()
