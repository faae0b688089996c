"""Turn this process into a server that does not outlive its parent, and that is not root.

Run as a script – `python -I -S launch.py PARENT SIGNAL ACCOUNT PROGRAM [ARGUMENT …]` – between fork and
exec, because the code a `preexec_fn` would run is unsafe in a process that has threads. Standard library
only, nothing of ours imported.

* `PARENT`: process id of the starter. On Linux the kernel sends `SIGNAL` (a number) to the program when the
  starter dies, however it dies, so a supervisor killed with `kill -9` leaves no orphans.
* `ACCOUNT`: name of the account to run as, or `-` to stay. PostgreSQL refuses to run as root.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def become(account: str) -> None:
    """Change to `account` for good, keeping only the right to pass closed folders (Linux).

    A checkout below `/root` (mode 700) is out of reach for every other account. Opening that folder to
    everyone would be the wrong price; so of root's powers CAP_DAC_OVERRIDE, and no other, is handed on
    through exec.
    """
    import pwd

    entry = pwd.getpwnam(account)
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if libc is not None:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    if libc is not None:
        mask = 1 << CAP_DAC_OVERRIDE
        header = _Header(CAPABILITY_VERSION_3, 0)
        sets = (_Sets * 2)(_Sets(mask, mask, mask), _Sets(0, 0, 0))
        # Refused where a container took the capability away: then the folders' own rights have to do.
        if libc.capset(ctypes.byref(header), ctypes.byref(sets)) == 0:
            libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)
    os.environ["HOME"] = "/"
    os.chdir("/")


def main(arguments: list[str]) -> None:
    """Do what the module says, then become the program. Returns only by an exception."""
    parent, signal_number, account, *command = arguments
    if account != "-":
        try:
            become(account)
        except OSError as error:
            sys.exit(f"This process may not change to the account {account} ({error}). Run as an ordinary user.")
    if sys.platform == "linux":
        # After the change of account, which clears it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit("The process that started this one is gone.")
    try:
        os.execv(command[0], command)  # noqa: S606 - an absolute path, no shell wanted
    except OSError as error:
        sys.exit(f"Could not start {command[0]}: {error.strerror}.")


if __name__ == "__main__":
    main(sys.argv[1:])
