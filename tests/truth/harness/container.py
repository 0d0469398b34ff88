"""Runs a command as a container does: in mount, PID, UTS, IPC and network namespaces of its own, with ROOT as its whole file
system. The mounts live in that namespace alone and go with it; when this process ends, so does the command.

usage: container.py ROOT COMMAND...
"""

import ctypes
import os
import signal
import sys

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
SYS_PIVOT_ROOT = 155  # x86-64
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def enter(root):
    call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    if root != "/":
        call("mount", root.encode(), root.encode(), None, MS_BIND | MS_REC, None)
        os.chdir(root)
        # The old root comes to lie upon the new one, and is taken off: pivot_root(2), its second note.
        call("syscall", SYS_PIVOT_ROOT, b".", b".")
        call("umount2", b".", MNT_DETACH)
    os.chdir("/")
    call("mount", b"proc", b"/proc", b"proc", 0, None)


def main(root, *command):
    call("unshare", CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET)
    child = os.fork()  # only a child is in the new PID namespace
    if child == 0:
        call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)
        enter(root)
        os.execv(command[0], command)
    os.closerange(0, 2)  # what the command says ends when it ends
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) & 0xFF


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
