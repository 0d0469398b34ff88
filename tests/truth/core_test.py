"""A core file tells the same as its process did: of itself before, and to `snag dump` while it ran.

Cores are made by gdb (gcore) and by the kernel (SIGABRT), of targets that give an account of every thread first.
"""

import os
import resource
import shutil
import subprocess
import sysconfig
import unittest
from pathlib import Path

import harness.truth
from harness.interpreters import TARGETS
from harness.truth import TruthTest

DONE, FAILED, USAGE, NO_SUCH_PROCESS = 0, 1, 2, 4
SIGABRT = 6
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
ELF_HEADERS = "0x31"  # anonymous memory, the first page of each ELF file, huge pages
ANONYMOUS = "0x1"  # nothing of the mapped files
PYTHON = "PYTHON"


def python_frames(thread):
    return [[frame["function"], frame["file"], frame["line"]] for frame in thread["stack"] if frame["kind"] == PYTHON]


def call_of(thread):
    """The last part of the name of the C function at the top; empty: there is none."""
    top = thread["stack"][0]
    return top["function"].rpartition(".")[2] if top["kind"] == "NATIVE" else ""


def allow_cores():
    """In a child: cores as large as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def is_static(interpreter):
    """Whether the executable itself holds Python, not a libpython."""
    program = "print('/libpython' in open('/proc/self/maps').read())"
    answer = subprocess.run([interpreter.path, "-c", program], check=True, capture_output=True, text=True).stdout
    return answer.strip() == "False"


class Cores(TruthTest):
    # ---- how a core is made ----------------------------------------------------------------------------------------

    def subject(self, *options, folder=None, **how):
        """A target that blocks, or is about to abort, and its account."""
        target = self.start_target("core_subject.py", *options, cwd=folder, preexec_fn=allow_cores, **how)
        target.tell("go")
        return target, target.wait_for("account")

    def copied_by_gdb(self, pid):
        if shutil.which("gcore") is None:
            self.skipTest("there is no gcore; it is in the package gdb")
        prefix = self.folder() / "copy"
        made = subprocess.run(["gcore", "-o", prefix, str(pid)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        core = Path(f"{prefix}.{pid}")
        self.assertTrue(core.exists(), f"gcore made no core: {made.stdout}{made.stderr}")
        return core

    def need_kernel_cores(self):
        """The kernel writes plain files into the working directory of whoever ends, or the test is skipped."""
        if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
            self.skipTest("the hard limit of core files is 0 here")
        before = CORE_PATTERN.read_text()
        if not before.startswith("|") and "/" not in before:
            return
        try:
            CORE_PATTERN.write_text("core\n")
        except OSError as error:
            self.skipTest(f"{CORE_PATTERN} is {before.strip()!r} and cannot be set: {error.strerror}")
        self.addCleanup(CORE_PATTERN.write_text, before)

    def left_by_kernel(self, *options, **how):
        """(core, pid, account) of a subject that ended by SIGABRT."""
        self.need_kernel_cores()
        folder = self.folder()
        target, account = self.subject("--abort", *options, folder=folder, **how)
        self.assertEqual(target.finish(), -SIGABRT, target.stderr)
        return self.only_core(folder), target.pid, account

    def only_core(self, folder):
        cores = list(folder.glob("core*"))
        self.assertEqual(len(cores), 1, f"the kernel wrote no core into {folder}; core_pattern {CORE_PATTERN.read_text()!r}")
        return cores[0]

    # ---- what is said of it ----------------------------------------------------------------------------------------

    def dump(self, *command, **options):
        snag, status = self.run_to_end("snag", "dump", *command, "--json", **options)
        self.assertEqual(status, DONE, snag.stderr)
        self.assert_nothing_behind(snag)
        return snag, snag.objects("thread")

    def dump_core(self, core, *options, complains=False):
        snag, threads = self.dump("--core", core, *options)
        self.assertEqual(bool(snag.stderr), complains, snag.stderr)
        return threads

    def refuse(self, expected, *command, says=()):
        snag, status = self.run_to_end("snag", "dump", *command)
        self.assertEqual(status, expected, snag.stderr)
        lines = snag.stderr.splitlines()
        self.assertTrue(lines and len(lines) <= 2, f"not one sentence: {snag.stderr!r}")
        for word in says:
            self.assertIn(str(word), snag.stderr)
        self.assertEqual(snag.lines, [], "something on stdout")
        return snag.stderr

    def assert_account(self, threads, pid, account, holder=None):
        by_tid = {thread["tid"]: thread for thread in threads}
        self.assertEqual(sorted(by_tid), sorted(told["tid"] for told in account["threads"]), "threads")
        for told in account["threads"]:
            thread = by_tid[told["tid"]]
            self.assertTrue(thread["complete"])
            self.assertEqual(python_frames(thread), told["stack"])
            self.assertEqual(call_of(thread), told["call"])
            self.assertEqual(thread["pid"], pid)
            self.assertEqual(thread["name"], "", "a core has no names")
            self.assertEqual(thread["holdsGil"], told["tid"] == holder)
            self.assertEqual("currentTask" in thread, told["tid"] == pid)
            self.assertEqual("loop" in thread, told["tid"] == pid)
        task = by_tid[pid]["currentTask"]
        # 3.7 has no names of tasks.
        name = account["task"]["name"] if not self.interpreter.version.startswith("3.7.") else task["name"]
        self.assertEqual([task["name"], task["coroutine"]], [name, account["task"]["coroutine"]])
        self.figure("threads as told", int(self.figures.get("threads as told", 0)) + len(threads))

    # ---- cores of Python -------------------------------------------------------------------------------------------

    def test_a_copy_of_a_running_process_tells_what_it_and_a_live_dump_tell(self):
        target, account = self.subject()
        self.await_read(target.pid)
        _, live = self.dump(target.pid)
        threads = self.dump_core(self.copied_by_gdb(target.pid))
        self.assert_account(threads, target.pid, account)
        self.assertEqual([thread["signal"] for thread in threads], [0] * len(threads))
        for thread in live + threads:
            for field in ("name", "state", "signal"):
                thread.pop(field)
            thread.get("loop", {}).pop("threadName", None)
        self.assertEqual(threads, live)

    def await_read(self, pid):
        """Until the main thread blocks where it said that it would."""
        blocked = lambda: Path(f"/proc/{pid}/syscall").read_text().split()[:2] == ["0", "0x0"]
        self.assertTrue(harness.process.wait_until(blocked), "it never read")

    def test_a_core_of_the_kernel_tells_the_threads_and_which_one_ended_it(self):
        core, pid, account = self.left_by_kernel()
        threads = self.dump_core(core)
        self.assert_account(threads, pid, account, holder=pid)
        self.assertEqual({thread["tid"] for thread in threads if thread["signal"] == SIGABRT}, {pid})

    def test_a_core_with_no_more_than_the_first_pages_of_its_files(self):
        core, pid, account = self.left_by_kernel("--filter", ELF_HEADERS)
        self.assert_account(self.dump_core(core), pid, account, holder=pid)

    def test_a_core_with_nothing_of_its_files_is_read_and_said_to_be_unchecked(self):
        core, pid, account = self.left_by_kernel("--filter", ANONYMOUS)
        snag, threads = self.dump("--core", core)
        self.assert_account(threads, pid, account, holder=pid)
        self.assertIn("the core holds nothing to check it", snag.stderr)

    def test_the_text_names_the_core_the_main_thread_and_the_signal(self):
        core, pid, _ = self.left_by_kernel()
        program = self.start("snag", "dump", "--core", core, stdout=subprocess.DEVNULL)
        self.assertEqual(program.finish(), DONE, program.stderr)
        text = subprocess.run([harness.truth.BIN / "snag", "dump", "--core", core], capture_output=True, text=True).stdout
        self.assertTrue(text.startswith(f"core {core}  pid {pid}  CPython {self.interpreter.version[:4].rstrip('.')}"), text)
        self.assertIn(f"Thread {pid} main thread  ended by SIGABRT, holds the GIL, asyncio loop, task ", text)

    # ---- files that are not where they were ------------------------------------------------------------------------

    def left_by_a_copy(self):
        """(core, pid, account, copy) of a copy of the interpreter that was deleted since."""
        folder = self.folder()
        original = Path(self.interpreter.path).resolve()
        copy = folder / original.name
        shutil.copy(original, copy)
        kept = folder / "kept"
        shutil.copy(original, kept)
        prefix = subprocess.run([self.interpreter.path, "-c", "import sys; print(sys.base_prefix)"], check=True,
                                capture_output=True, text=True).stdout.strip()  # fmt: skip
        core, pid, account = self.left_by_kernel(executable=copy, env={**os.environ, "PYTHONHOME": prefix})
        copy.unlink()
        return core, pid, account, copy, kept

    def test_an_executable_that_was_deleted_is_named_and_replaced(self):
        core, pid, account, copy, kept = self.left_by_a_copy()
        if is_static(self.interpreter):
            self.refuse(FAILED, "--core", core, says=[copy, "--executable"])
        else:
            self.assert_account(self.dump_core(core), pid, account, holder=pid)  # Python is in its libpython
        self.assert_account(self.dump_core(core, "--executable", kept), pid, account, holder=pid)
        self.refuse(FAILED, "--core", core, "--executable", "/bin/true", says=["/bin/true", "build id"])
        self.refuse(FAILED, "--core", core, "--executable", copy, says=[copy, "No such file"])

    def test_an_executable_that_was_replaced_since_is_refused(self):
        core, pid, account, copy, _ = self.left_by_a_copy()
        shutil.copy("/bin/true", copy)
        if is_static(self.interpreter):
            self.refuse(FAILED, "--core", core, says=[copy, "is not the file that the process had mapped"])
        else:
            self.assert_account(self.dump_core(core), pid, account, holder=pid)

    # ---- what is no whole core of Python ---------------------------------------------------------------------------

    def test_a_core_that_was_cut_off_is_refused_or_says_so(self):
        core, pid, account = self.left_by_kernel()
        size = core.stat().st_size
        told = {thread["tid"]: thread["stack"] for thread in account["threads"]}
        for part in range(1, 20):
            cut = core.with_name("cut")
            shutil.copy(core, cut)
            os.truncate(cut, size * part // 20)
            with self.subTest(part=part):
                snag, status = self.run_to_end("snag", "dump", "--core", cut, "--json")
                self.assertIn(status, (DONE, FAILED), snag.stderr)
                self.assertIn("cut off", snag.stderr)
                for thread in snag.objects("thread"):
                    if thread["complete"]:
                        self.assertEqual(python_frames(thread), told[thread["tid"]])

    def test_a_core_of_something_else(self):
        self.need_kernel_cores()
        folder = self.folder()
        subprocess.run(["sh", "-c", "kill -ABRT $$"], cwd=folder, preexec_fn=allow_cores)
        self.refuse(NO_SUCH_PROCESS, "--core", self.only_core(folder), says=["not a CPython process"])

    def test_a_copy_of_something_else(self):
        other = subprocess.Popen(["sleep", "100"])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        self.refuse(NO_SUCH_PROCESS, "--core", self.copied_by_gdb(other.pid), says=["not a CPython process"])

    def test_what_is_no_core(self):
        folder = self.folder()
        (folder / "empty").touch()
        for path, word in (("/bin/true", "no core"), (__file__, "no ELF core file"), (folder, "no regular file"),
                           (folder / "empty", "no ELF core file"), (folder / "none", "No such file"),
                           ("/dev/zero", "no regular file")):  # fmt: skip
            with self.subTest(path=path):
                self.refuse(FAILED, "--core", path, says=[path, word])

    def test_wrong_usage(self):
        for words in (("--core", "x", "1"), ("--core", ""), ("--executable", "/bin/true", "1"), ("--core",),
                      ("--core", "x", "--executable", ""), ("--core", "x", "--socket", "/run/snag/snagd.sock")):  # fmt: skip
            with self.subTest(words):
                self.refuse(USAGE, *words)

    # ---- who opens it ----------------------------------------------------------------------------------------------

    def test_a_shared_daemon_is_not_asked(self):
        target, account = self.subject()
        core = self.copied_by_gdb(target.pid)
        _, threads = self.dump("--core", core, env={"SNAG_SOCKET": str(self.folder() / "nobody.sock")})
        self.assertEqual(len(threads), len(account["threads"]))


if __name__ == "__main__":
    harness.truth.main("core")
