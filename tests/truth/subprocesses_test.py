"""Processes that come and go: each child is found in the results with what it says of itself, and none is found twice or made up."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest
import urllib.request
from collections import Counter

import harness.truth
from harness.interpreters import TARGETS
from harness.process import Speaker, wait_until
from harness.truth import TruthTest
from legal_stacks import parse_folded

DONE, USAGE, NO_PROCESS, INTERRUPTED = 0, 2, 4, 130
METHODS = ("fork", "spawn", "forkserver")
DEBIAN = "/usr/bin/python3"
NOBODY, OTHER_USER = 65534, 1
RATE = 200
# Nothing outside tells that a recording has taken samples: this long into it, some have been.
INTO_THE_RECORDING = 1.0  # seconds
SHORT_LIVED = 12


def functions_by_pid(text):
    """{pid: Counter of the functions on its stacks}, of folded stacks whose root is the process."""
    found = {}
    for line in text.splitlines():
        root = line.partition(";")[0].split()
        if root[0] != "pid":
            continue
        (stack,) = parse_folded(line)
        names = {function.rpartition(".")[2] for function, _, _ in stack.frames}
        found.setdefault(int(root[1]), Counter()).update({name: stack.count for name in names})
    return found


class Harness(TruthTest):
    def end_at_last(self, *pids):
        """Ends what a target left behind: it is not our child, but this test has started it."""

        def end(pid):
            try:
                descriptor = os.pidfd_open(pid)
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                os.close(descriptor)
            except ProcessLookupError:
                pass

        for pid in pids:
            self.addCleanup(end, pid)

    def record(self, *arguments):
        """A recording that has begun, and where it will be."""
        path = self.folder() / "profile.folded"
        snag = self.start("snag", "record", "--subprocesses", "-r", RATE, "-o", path, "--json", *arguments)
        self.assertTrue(wait_until(lambda: "ing pid " in snag.stderr or snag.process.poll() is not None), snag.stderr)
        return snag, path

    def await_following(self, snag, *pids):
        """Until the recording says that it follows these."""
        for pid in pids:
            self.assertTrue(wait_until(lambda: f"following pid {pid} " in snag.stderr), f"{pid}: {snag.stderr!r}")

    def stop(self, snag):
        """Ends a recording or watch, once it has taken samples of what it followed last; its summary."""
        time.sleep(INTO_THE_RECORDING)
        snag.signal(signal.SIGINT)
        self.assertEqual(snag.finish(), INTERRUPTED, snag.stderr)
        self.assert_nothing_behind(snag)
        (summary,) = snag.objects("summary")
        return summary

    def ends_by_pid(self, summary):
        return {end["pid"]: end for end in summary["endedProcesses"]}


class Subprocesses(Harness):
    # ---- multiprocessing -------------------------------------------------------------------------------------------

    def test_multiprocessing_children_are_recorded_with_what_they_do(self):
        for method in METHODS:
            with self.subTest(method):
                target = self.start_target("family.py", method)
                target.tell("workers")
                early = [target.wait_for("child") for _ in range(3)]
                snag, path = self.record(target.pid)
                target.tell("workers")
                late = [target.wait_for("child") for _ in range(3)]
                self.await_following(snag, *(child["pid"] for child in early + late))
                # What short ones do is seen as soon as they are followed; then all have been at work for a while.
                target.tell(f"short {SHORT_LIVED}")
                short = set(target.wait_for("started")["pids"])
                target.tell("end")
                self.assertEqual(snag.finish(), DONE, snag.stderr)
                self.check_family(method, target, early + late, short, path, snag.objects("summary")[0])

    def check_family(self, method, target, children, short, path, summary):
        found = functions_by_pid(path.read_text())
        for child in children:
            own = found.get(child["pid"], Counter())
            self.assertGreater(own[child["function"]], 0, f"{child}: {own}")
            others = {"work_a", "work_b", "work_c", "work_short"} - {child["function"]}
            self.assertFalse(others & set(own), f"{child} is seen in another's function: {own}")
        # Whoever is seen at short work is one of those that the target says it started, and does nothing else.
        seen_short = {pid for pid, functions in found.items() if functions["work_short"]}
        self.assertLessEqual(seen_short, short)
        ends = self.ends_by_pid(summary)
        for child in children:  # multiprocessing's terminate() is SIGTERM; old kernels do not tell
            self.assertIn(ends[child["pid"]]["how"], ("killed by signal 15", "has ended"))
        self.assertGreaterEqual(summary["processes"], 1 + len(children) + len(seen_short))
        self.assertIn(str(target.pid), summary["endedBecause"] + str(list(ends)))
        self.figure(f"{method}: short-lived seen", f"{len(seen_short)} of {len(short)}")

    def test_a_grandchild_is_followed_when_its_parent_has_ended(self):
        target = self.start_target("family.py")
        snag, path = self.record(target.pid)
        target.tell("orphan")
        words = target.wait_for("orphan")
        self.end_at_last(words["grandchild"])
        self.await_following(snag, words["child"], words["grandchild"])
        target.tell("now")
        target.wait_for("orphaned")
        target.tell("end")
        target.process.wait()
        self.assertTrue(wait_until(lambda: f"pid {target.pid}: it is sampled no longer" in snag.stderr), snag.stderr)
        summary = self.stop(snag)  # it goes on with the orphan alone
        ends = self.ends_by_pid(summary)
        self.assertEqual(set(ends), {target.pid, words["child"]}, summary)
        self.assertGreater(functions_by_pid(path.read_text())[words["grandchild"]]["work_orphan"], 0)

    # ---- exec, and what is no Python -------------------------------------------------------------------------------

    def test_python_behind_a_shell_is_followed(self):
        target = self.start_target("family.py")
        snag, path = self.record(target.pid)
        target.tell("shell")
        shell = target.wait_for("shell")["pid"]
        lone = target.wait_for("child")
        self.end_at_last(lone["pid"])
        self.assertEqual(lone["parent"], shell)
        self.await_following(snag, lone["pid"])
        summary = self.stop(snag)
        found = functions_by_pid(path.read_text())
        self.assertEqual(set(found) - {target.pid}, {lone["pid"]}, "the shell is no Python")
        self.assertGreater(found[lone["pid"]]["work_lone"], 0)
        self.assertEqual(summary["processes"], 2)

    def test_a_shell_is_named_and_its_python_recorded(self):
        command = f'"{self.interpreter.path}" -u "{TARGETS / "family.py"}" lone; true'
        shell = Speaker(["/bin/sh", "-c", command])
        self.addCleanup(shell.close)
        lone = shell.wait_for("child")
        self.end_at_last(lone["pid"])
        snag, path = self.record(shell.pid)
        self.await_following(snag, lone["pid"])
        os.kill(lone["pid"], signal.SIGTERM)
        self.assertEqual(snag.finish(), DONE, snag.stderr)
        (summary,) = snag.objects("summary")
        self.assertEqual([end["pid"] for end in summary["endedProcesses"]], [lone["pid"]])
        self.assertIn("work_lone", path.read_text())

    def test_exec_into_python_is_followed_and_into_another_program_is_told(self):
        target = self.start_target("family.py")
        target.tell("workers")
        children = {child["pid"]: child for child in (target.wait_for("child") for _ in range(3))}
        self.end_at_last(*children)
        snag, path = self.record(target.pid)
        self.await_following(snag, *children)
        target.tell("exec")
        lone = target.wait_for("child")
        self.assertEqual(lone["pid"], target.pid)
        announced = f"recording pid {target.pid} "
        self.assertTrue(wait_until(lambda: snag.stderr.count(announced) == 2), "not attached again: " + snag.stderr)
        summary = self.stop(snag)
        self.assertEqual(summary["endedProcesses"], [], "it became another Python")
        self.assertEqual(summary["processes"], 4)
        found = functions_by_pid(path.read_text())
        self.assertGreater(found[target.pid]["work_lone"], 0)
        for pid, child in children.items():
            self.assertGreater(found[pid][child["function"]], 0)

    def test_children_of_what_is_no_python_any_more_are_followed(self):
        target = self.start_target("family.py")
        target.tell("workers")
        children = {child["pid"]: child for child in (target.wait_for("child") for _ in range(3))}
        self.end_at_last(*children)
        snag, path = self.record(target.pid)
        self.await_following(snag, *children)
        target.tell("sleep")
        self.assertTrue(wait_until(lambda: "what it executes now is not Python" in snag.stderr), snag.stderr)
        for pid in children:
            os.kill(pid, signal.SIGTERM)
        target.signal(signal.SIGKILL)
        self.assertEqual(snag.finish(), DONE, snag.stderr)
        ends = self.ends_by_pid(snag.objects("summary")[0])
        self.assertEqual(set(ends), {target.pid, *children})
        self.assertEqual(ends[target.pid]["how"], "executes another program now")
        self.assertFalse(ends[target.pid]["abnormal"])

    def test_a_started_shell_is_followed_to_its_python(self):
        command = f'"{self.interpreter.path}" -u "{TARGETS / "family.py"}" lone & wait'
        path = self.folder() / "profile.folded"
        snag = self.start("snag", "record", "--subprocesses", "-d", "2", "-o", path, "--", "/bin/sh", "-c", command)
        lone = snag.wait_for("child")
        self.end_at_last(lone["pid"])
        self.assertTrue(wait_until(lambda: path.exists() and path.stat().st_size > 0), snag.stderr)
        self.assertIn("work_lone", path.read_text())
        os.kill(lone["pid"], signal.SIGTERM)
        self.assertEqual(snag.finish(), DONE, snag.stderr)

    # ---- dump, patterns --------------------------------------------------------------------------------------------

    def test_a_dump_shows_the_children_that_are_there(self):
        target = self.start_target("family.py")
        target.tell("workers")
        children = {child["pid"]: child["function"] for child in (target.wait_for("child") for _ in range(3))}
        snag, status = self.run_to_end("snag", "dump", "--subprocesses", target.pid, "--json")
        self.assertEqual(status, DONE, snag.stderr)
        stacks = {thread["pid"]: [frame["function"] for frame in thread["stack"]] for thread in snag.objects("thread")}
        self.assertEqual(set(stacks), {target.pid, *children})
        for pid, function in children.items():
            self.assertIn(function, stacks[pid])
        target.tell("end")
        target.process.wait()

    def test_a_pattern_selects_by_command_line_and_shows_no_more_of_it_than_ps(self):
        mark, secret = f"mark-{os.getpid()}", "hunter2"
        targets = [self.start_target("family.py", "fork", f"--{mark}", secret) for _ in range(2)]
        self.start_target("family.py", "fork", "--other")
        bystander = Speaker(["/bin/sh", "-c", "read word; true", mark])  # matches, and is no Python
        self.addCleanup(bystander.close)
        snag, status = self.run_to_end("snag", "dump", "--match", f"family.py fork --{mark} hunter.$", "--json")
        self.assertEqual(status, DONE, snag.stderr)
        self.assertEqual({thread["pid"] for thread in snag.objects("thread")}, {target.pid for target in targets})
        text, status = self.run_to_end("snag", "stalls", "--match", mark, "-d", "100ms")
        self.assertEqual(status, DONE, text.stderr)
        for target in targets:
            self.assertIn(f"pid {target.pid} ", "".join(text.lines))
        for program in (snag, text):
            self.assertNotIn(secret, "".join(program.lines) + program.stderr)

    def test_a_pattern_that_selects_nothing_or_is_none(self):
        mark = f"mark-{os.getpid()}-nobody"
        for command in ("stalls", "dump", "record"):
            # snag's own command line matches; it is no Python, and excluded anyway
            snag, status = self.run_to_end("snag", command, "--match", mark)
            self.assertEqual(status, NO_PROCESS, snag.stderr)
            self.assertIn(f"no Python process has a command line or name that matches '{mark}'", snag.stderr)
            snag, status = self.run_to_end("snag", command, "--match", "(")
            self.assertEqual(status, USAGE, snag.stderr)

    def test_one_doctor_for_several(self):
        first, second = self.start_target("family.py"), self.start_target("family.py")
        snag, status = self.run_to_end("snag", "doctor", first.pid, second.pid, "--json")
        self.assertEqual(status, DONE, snag.stderr)
        self.assertEqual([diagnosis["pid"] for diagnosis in snag.objects("diagnosis")], [first.pid, second.pid])

    # ---- whose processes -------------------------------------------------------------------------------------------

    @unittest.skipUnless(os.geteuid() == 0, "only root can play two users")
    def test_a_child_with_another_users_rights_is_refused_by_a_shared_daemon(self):
        folder, nobody = self.folder(), dict(user=NOBODY, group=NOBODY, extra_groups=[])
        folder.chmod(0o755)
        # Set-user-ID to a user that has no rights of its own.
        other = folder / "python3"
        shutil.copy(DEBIAN, other)
        os.chown(other, OTHER_USER, -1)
        other.chmod(0o4755)
        program = (
            "import json, os, subprocess, sys\n"
            # One write each: two lines must not mix.
            "say = 'import json, os, time; account = dict(child=dict(pid=os.getpid(), users=os.getresuid()));'\n"
            "say += ' os.write(1, json.dumps(account).encode() + bytes([10]))'\n"
            "[subprocess.Popen([python, '-c', say + '; time.sleep(600)']) for python in sys.argv[1:]]\n"
            "sys.stdin.read()"
        )
        target = Speaker([DEBIAN, "-c", program, DEBIAN, other], cwd="/", **nobody)
        self.addCleanup(target.close)
        children = {child["pid"]: child["users"] for child in (target.wait_for("child") for _ in range(2))}
        self.end_at_last(*children)
        refused = [pid for pid, users in children.items() if OTHER_USER in users]
        if not refused:
            self.skipTest(f"{folder} does not honour the set-user-ID bit")
        daemon = self.start("snagd", "--socket", folder / "socket")
        self.assertTrue(wait_until(lambda: (folder / "socket").exists()), daemon.stderr)
        (folder / "socket").chmod(0o777)
        options = ("--subprocesses", target.pid, "--socket", folder / "socket", "--json")
        try:
            snag, status = self.run_to_end("snag", "dump", *options, cwd="/", **nobody)
        except PermissionError:
            self.skipTest(f"another user may not execute what is in {harness.truth.BIN}")
        self.assertEqual(status, DONE, snag.stderr)
        self.assertEqual({thread["pid"] for thread in snag.objects("thread")}, {target.pid, *children} - set(refused))
        watch, status = self.run_to_end("snag", "stalls", "-d", "1", *options, cwd="/", **nobody)
        self.assertEqual(status, DONE, watch.stderr)
        self.assertEqual(watch.stderr.count(f"pid {refused[0]}: it runs with another user's rights"), 1, watch.stderr)
        self.assertEqual(watch.objects("summary")[0]["processes"], 2)

    # ---- loops -----------------------------------------------------------------------------------------------------

    def test_a_forked_child_does_not_stall_its_parents_loop_for_ever(self):
        target = self.start_target("forking_loop.py")
        snag = self.start("snag", "stalls", "--subprocesses", target.pid, "--threshold", "50ms", "--ongoing", "--json")
        target.tell("block")
        while not snag.objects("stall"):  # until it watches
            target.wait_for("blocked")
            target.tell("block")
        target.tell("fork")
        child = target.wait_for("child")["pid"]
        self.end_at_last(child)
        begin = time.monotonic_ns()
        target.tell("block")
        target.wait_for("blocked", lambda block: block["start"] > begin)
        # The child has been watched for as long as that block lasted.
        snag.wait_for("stall", lambda stall: int(stall["startMonotonicNs"]) > begin and not stall["ongoing"])
        summary = self.stop(snag)
        self.assertEqual(summary["processes"], 2, "the child was not followed")
        self.assertEqual({stall["pid"] for stall in snag.objects("stall")}, {target.pid})
        target.tell("end")
        target.process.wait()


class Servers:
    """Real servers, of Debian's packages and Python."""

    def serve(self, *command):
        """A server at a free port, and the file of its application's account."""
        account = self.folder() / "account"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        environment = {**os.environ, "SNAG_ACCOUNT": str(account), "PYTHONPATH": str(TARGETS)}
        words = [str(word).replace("PORT", str(self.port)) for word in command]
        server = Speaker([DEBIAN, "-m", *words], env=environment, stdout=subprocess.DEVNULL)
        self.addCleanup(self.end_server, server)
        self.assertTrue(wait_until(self.is_open), server.stderr)
        return server, account

    def is_open(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def end_server(self, server):
        server.signal(signal.SIGTERM)
        try:
            server.finish()
        finally:
            server.close()

    def ask(self):
        """The pid of the worker that answered."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=30) as answer:
            return int(answer.read())

    def ask_many(self, count):
        """At the same time, so that all workers get some."""
        threads = [threading.Thread(target=self.ask) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def blocks(self, account):
        return [json.loads(line) for line in account.read_text().splitlines()] if account.exists() else []

    def ask_until(self, predicate):
        """Asks, some requests at a time, until it holds."""
        for _ in range(200):
            if predicate():
                return
            self.ask_many(4)
        self.fail("it never held")


class UvicornAndGunicorn(Servers, Harness):
    def test_stalls_of_uvicorns_workers(self):
        self.watch_workers(self.serve("uvicorn", "--port", "PORT", "--workers", 2, "--loop", "asyncio", "web_app:asgi"))

    def test_stalls_of_gunicorns_uvicorn_workers_also_of_one_that_was_killed_and_replaced(self):
        served = self.serve("gunicorn", "-w", 2, "-b", "127.0.0.1:PORT", "-k", "uvicorn.workers.UvicornH11Worker",
                            "web_app:asgi")  # fmt: skip
        self.watch_workers(served, kill_one=True)

    def watch_workers(self, served, kill_one=False):
        server, account = served
        snag = self.start("snag", "stalls", "--subprocesses", server.pid, "--threshold", "100ms", "--json")

        def seen():
            return {stall["pid"] for stall in snag.objects("stall")}

        def at_work():
            return {block["pid"] for block in self.blocks(account)}

        self.ask_until(lambda: len(seen()) == 2)
        killed = None
        if kill_one:
            killed = min(at_work())
            os.kill(killed, signal.SIGKILL)
            self.ask_until_answered(lambda: len(seen()) == 3)
        begin = max(block["end"] for block in self.blocks(account))  # from here on all are watched
        self.ask_many(8)
        expected = [block for block in self.blocks(account) if block["start"] > begin]
        self.assertTrue(wait_until(lambda: len(self.stalls_after(snag, begin)) >= len(expected)), snag.stderr)
        summary = self.stop(snag)
        # One stall a block, of the same process, at the same time. (Before, a worker may stall while it imports.)
        found = self.stalls_after(snag, begin)
        for stall in found:
            self.assertEqual(stall["culprit"]["function"], "answer_slowly", stall)
        self.assertEqual(len(found), len(expected))
        for block in expected:
            its = [s for s in found if s["pid"] == block["pid"] and self.overlap(s, block) * 2 > block["end"] - block["start"]]
            self.assertEqual(len(its), 1, (block, found))
        ends = self.ends_by_pid(summary)
        self.assertEqual(set(ends), {killed} if killed else set())
        if killed:
            self.assertIn(ends[killed]["how"], ("killed by signal 9", "has ended"))
        self.figure("stalls of workers", len(found))

    def ask_until_answered(self, predicate):
        """As ask_until, while a worker may be gone: then a request fails."""
        for _ in range(200):
            if predicate():
                return
            try:
                self.ask()
            except OSError:
                pass
        self.fail("it never held")

    def stalls_after(self, snag, begin):
        return [stall for stall in snag.objects("stall") if int(stall["startMonotonicNs"]) > begin]

    def overlap(self, stall, block):
        start = int(stall["startMonotonicNs"])
        end = start + int(float(stall["duration"].rstrip("s")) * 1e9)
        return max(0, min(end, block["end"]) - max(start, block["start"]))

    def test_gunicorns_synchronous_workers_are_recorded_also_the_one_that_replaces_another(self):
        server, account = self.serve("gunicorn", "-w", 2, "-b", "127.0.0.1:PORT", "web_app:wsgi")
        self.ask_until(lambda: len({block["pid"] for block in self.blocks(account)}) == 2)
        first = {block["pid"] for block in self.blocks(account)}
        snag, path = self.record(server.pid)
        self.await_following(snag, *first)
        self.ask_many(4)
        killed = min(first)
        os.kill(killed, signal.SIGKILL)
        self.ask_until_answered(lambda: len({block["pid"] for block in self.blocks(account)}) == 3)
        (new,) = {block["pid"] for block in self.blocks(account)} - first
        self.await_following(snag, new)
        self.ask_until(lambda: [block["pid"] for block in self.blocks(account)].count(new) > 2)
        summary = self.stop(snag)
        found = functions_by_pid(path.read_text())
        for pid in first | {new}:
            self.assertGreater(found[pid]["answer_slowly"], 0, f"{pid}: {found[pid]}")
        self.assertEqual(found[server.pid]["answer_slowly"], 0, "the master answers nothing")
        ends = self.ends_by_pid(summary)
        self.assertEqual(set(ends), {killed})
        self.assertIn(ends[killed]["how"], ("killed by signal 9", "has ended"))
        self.assertEqual(summary["processes"], 4)


if __name__ == "__main__":
    if os.environ.get("SNAG_PYTHON", "debian") != "debian":
        del UvicornAndGunicorn  # its servers are Debian's
    harness.truth.main("subprocesses")
