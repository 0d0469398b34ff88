"""Processes that come and go: a parent, and children of every kind that it is told to start. Each process accounts for itself.

    usage: family.py [fork|spawn|forkserver]

    stdin of the parent, one word a line:
        workers   three multiprocessing children, each at work in a function of its own
        short N   N children, one after another, each at work for some milliseconds
        orphan    a child that starts a grandchild; {"orphan": {child, grandchild}}; on the next word the child ends,
                  and then {"orphaned"}
        shell     a shell that runs this program as `family.py lone`; {"shell": {pid}}
        exec      this process becomes `family.py lone`; its children live on
        sleep     this process becomes sleep(1)
        end       ends the workers, says {"done"} and ends
    stdout: {"ready"}, {"child": {pid, parent, function}} of each child once it is at work, {"started": {pids}} of short
"""

import multiprocessing
import os
import subprocess
import sys
import time

from wire import hear, ready, say

SHORT = 0.03  # seconds


def at_work(function):
    say("child", pid=os.getpid(), parent=os.getppid(), function=function.__name__)


def work_a():
    at_work(work_a)
    while True:
        sum(range(1000))


def work_b():
    at_work(work_b)
    while True:
        time.sleep(60)


def work_c():
    at_work(work_c)
    while True:
        time.sleep(0.001)


def work_short():
    end = time.monotonic() + SHORT
    while time.monotonic() < end:
        pass


def work_orphan():
    at_work(work_orphan)
    while True:
        sum(range(1000))


def work_lone():
    at_work(work_lone)
    while True:
        sum(range(1000))


def parent_of_an_orphan(pipe):
    grandchild = os.fork()
    if grandchild == 0:
        pipe.close()  # so that the pipe's end is its parent's end
        work_orphan()
    say("orphan", child=os.getpid(), grandchild=grandchild)
    pipe.recv()
    os._exit(0)


class Family:
    def __init__(self, method):
        self._context = multiprocessing.get_context(method)
        self._children = []
        self._orphan = 0

    def start(self, function, *arguments):
        child = self._context.Process(target=function, args=arguments, daemon=True)
        child.start()
        return child

    def workers(self):
        self._children += [self.start(function) for function in (work_a, work_b, work_c)]

    def short(self, count):
        pids = []
        for _ in range(int(count)):
            child = self.start(work_short)
            pids.append(child.pid)
            child.join()
        say("started", pids=pids)

    def orphan(self):
        ours, its = self._context.Pipe()
        child = self._context.Process(target=parent_of_an_orphan, args=(its,))
        child.start()
        its.close()
        hear()
        ours.send("end")
        child.join()
        say("orphaned", child=child.pid)

    def shell(self):
        # With a command behind it, so that the shell stays.
        command = '"%s" -u "%s" lone; true' % (sys.executable, __file__)
        say("shell", pid=subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL).pid)

    def exec(self):
        os.execv(sys.executable, [sys.executable, "-u", __file__, "lone"])

    def sleep(self):
        os.execv("/bin/sleep", ["sleep", "3600"])

    def end(self):
        for child in self._children:
            child.terminate()
            child.join()
        say("done")

    def run(self):
        ready()
        while True:
            word, _, argument = hear().partition(" ")
            getattr(self, word or "end")(*filter(None, [argument]))
            if word in ("end", ""):
                return


if __name__ == "__main__":
    if sys.argv[1:] == ["lone"]:
        work_lone()
    else:
        Family(sys.argv[1] if len(sys.argv) > 1 else "fork").run()
