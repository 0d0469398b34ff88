"""Whatever snag and snagd do, no system call of theirs changes the target: strace says so."""

import os
import re
import shutil
import unittest

import harness.truth
from harness.process import Speaker
from harness.truth import BIN, TruthTest

# Stopping and looking; whatever is not listed here changes the tracee or its fate.
HARMLESS_REQUESTS = {
    "PTRACE_SEIZE", "PTRACE_INTERRUPT", "PTRACE_CONT", "PTRACE_LISTEN", "PTRACE_DETACH", "PTRACE_GETSIGINFO",
    "PTRACE_GETEVENTMSG", "PTRACE_GETREGS", "PTRACE_GETFPREGS", "PTRACE_GETREGSET", "PTRACE_PEEKDATA", "PTRACE_PEEKTEXT",
    "PTRACE_PEEKUSER", "PTRACE_GET_SYSCALL_INFO",
}  # fmt: skip
TRACED = (
    "execve,ptrace,process_vm_writev,process_madvise,open,openat,openat2,creat,kill,tkill,tgkill,rt_sigqueueinfo,"
    "rt_tgsigqueueinfo,pidfd_send_signal"
)
CALL = re.compile(r"^\d+ +(?P<name>\w+)\((?P<arguments>.*)$")


def is_open_for_writing(arguments):
    return re.search(r"\bO_(RDWR|WRONLY)\b", arguments) is not None


def harm(line, target):
    """Why this system call is one that Snag must not make; empty when it may."""
    match = CALL.match(line)
    if not match:
        return ""  # a resumed call, an exit, a signal
    name, arguments = match["name"], match["arguments"]
    if name in ("process_vm_writev", "process_madvise"):
        return "writes into another process"
    if name == "ptrace" and arguments.split(",")[0] not in HARMLESS_REQUESTS:
        return "a ptrace request that is not for looking"
    if name == "ptrace" and "PTRACE_O_EXITKILL" in arguments:
        return "would kill the target when Snag dies"
    if name.startswith("open") and is_open_for_writing(arguments) and re.search(r'/proc/|"mem"', arguments):
        return "opens a file of /proc for writing"
    if "kill" in name and re.match(rf"{target}\b", arguments) and not re.search(r", 0\)", arguments):
        return "signals the target"
    return ""


@unittest.skipUnless(shutil.which("strace"), "strace is not installed")
class ReadOnly(TruthTest):
    def assert_harmless(self, *command):
        target = self.start_target("counter.py")
        log = self.folder() / "strace"
        command = [str(target.pid) if word == "PID" else word for word in command]
        strace = Speaker(["strace", "-f", "-qq", "-o", log, "-e", f"trace={TRACED}", BIN / "snag", *command])
        self.addCleanup(strace.close)
        self.assertEqual(strace.finish(60), 0, strace.stderr)
        lines = log.read_text().splitlines()
        self.assertTrue(any("execve" in line and "/snagd" in line for line in lines), "the daemon was not seen")
        harmful = [f"{why}: {line}" for line in lines if (why := harm(line, target.pid))]
        self.assertFalse(harmful, "\n".join(harmful[:12]))
        self.assert_unharmed(target)
        self.figures["calls"] = str(int(self.figures.get("calls", 0)) + len(lines))

    def test_watching_for_stalls(self):
        self.assert_harmless("stalls", "PID", "--threshold", "50ms", "--duration", "3s", "--json")

    def test_dump(self):
        self.assert_harmless("dump", "PID", "--json")

    def test_recording_that_may_stop_the_target(self):
        self.assert_harmless("record", "PID", "-r", "200", "-d", "2s", "-o", os.devnull, "--format", "folded")

    def test_recording_that_stops_the_target_for_each_sample(self):
        self.assert_harmless(
            "record", "PID", "-r", "200", "-d", "2s", "-o", os.devnull, "--format", "folded", "--consistency", "always"
        )


if __name__ == "__main__":
    harness.truth.main("read_only")
