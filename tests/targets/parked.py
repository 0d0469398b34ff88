"""Threads that stand still, each deep in another kind of code, and the interpreter's own account of their stacks.

stdout: {"ready": {threads: [{name, tid, stack: [[function, file, line], …]}]}}, innermost frame first; tid is null to 3.7.
The main thread runs an event loop, and stands in a task's coroutine. stdin: anything ends it.
"""

import asyncio
import contextlib
import functools
import os
import queue
import sys
import threading

from wire import hear, ready, stack_of

DEPTH = 200
TASK = "order-7"

arrived = getattr(queue, "SimpleQueue", queue.Queue)()  # in C from 3.7 on: no frame of its own
gate = threading.Lock()
gate.acquire()


def park():
    arrived.put(None); gate.acquire()  # noqa: E702: one line, so that the account holds on either side of it


def in_a_function():
    park()


def in_nested_functions():
    def outer():
        def inner():
            park()

        inner()

    outer()


def in_a_generator():
    def numbers():
        yield 1
        park()

    return sum(number for number in numbers())


def in_delegated_generators():
    def leaf():
        yield 1
        park()

    def branch():
        yield from leaf()

    def trunk():
        yield from branch()

    return list(trunk())


def in_a_coroutine():
    class Ready:
        def __await__(self):
            yield from ()

    async def fetch():
        await Ready()
        park()

    async def handle():
        return await fetch()

    handle().send(None)


def in_an_async_generator():
    async def rows():
        yield 1
        park()

    async def read():
        async for _ in rows():
            pass

    read().send(None)


def in_an_async_comprehension():
    async def rows():
        yield 1
        park()

    async def read():
        return [row async for row in rows()]

    read().send(None)


def in_comprehensions():
    return [{name: park() for name in "a"} for _ in range(1)]


def in_lambdas():
    return (lambda call: (lambda: call())())(lambda: park())


def in_a_class_body():
    class Outer:
        class Inner:
            park()


def in_executed_code():
    text = "\n" * 70_000 + "def größe(call):\n    return (\n        call()\n    )\nvalue = größe(park)\n"
    exec(compile(text, "<Vorlage «größe»>", "exec"), {"park": park})


class Shop:
    @property
    def stock(self):
        return self.count()

    @staticmethod
    def count():
        with contextlib.ExitStack() as stack:
            stack.callback(park)

    def __lt__(self, other):
        return self.stock

    def __call__(self, *_):
        return sorted([self, Shop()])


def in_methods_called_from_c():
    return list(map(functools.partial(Shop(), 1), [0]))


def in_a_handler():
    try:
        try:
            raise ValueError
        except ValueError:
            raise KeyError
        finally:
            park()
    except KeyError:
        pass


def in_many_lines():
    class Chain:
        def then(self, *_):
            return self

        def end(self, value):
            park()
            return value

    chain = Chain()
    return dict(
        first=[
            chain
            .then(
                1,
                2,
            )
            .then()
            .end(
                len(
                    "three"
                ),
            ),
        ],
        second=chain.then(),
    )


def in_recursion(depth=DEPTH):
    if depth:
        return in_recursion(depth - 1)
    return park()


SCENES = (
    in_a_function, in_nested_functions, in_a_generator, in_delegated_generators, in_a_coroutine, in_an_async_generator,
    in_an_async_comprehension, in_comprehensions, in_lambdas, in_a_class_body, in_executed_code, in_methods_called_from_c,
    in_a_handler, in_many_lines, in_recursion,
)  # fmt: skip


async def in_a_task():
    await asyncio.sleep(0)
    park()


async def serve():
    task = asyncio.ensure_future(in_a_task())
    if hasattr(task, "set_name"):
        task.set_name(TASK)
    await task


def tell(threads):
    for _ in threads:
        arrived.get()
    frames = sys._current_frames()
    ready(threads=[dict(name=t.name, tid=getattr(t, "native_id", None), stack=stack_of(frames[t.ident])) for t in threads],
          task=TASK if sys.version_info >= (3, 8) else "", coroutine=in_a_task.__name__)  # fmt: skip
    hear()
    os._exit(0)


def main():
    threads = [threading.Thread(target=scene, name=scene.__name__, daemon=True) for scene in SCENES]
    for thread in threads:
        thread.start()
    threading.Thread(target=tell, args=([threading.main_thread(), *threads],), name="teller", daemon=True).start()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(serve())


if __name__ == "__main__":
    main()
