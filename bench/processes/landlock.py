"""Landlock: rules on which files a process may read and write, held to for good.

Linux only; elsewhere ``version`` returns 0. isolation.py decides which process may read what.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from bench.processes import linux

# linux/landlock.h: what may be done to files, by the version of the interface that knows it
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_REMOVE_DIR, _REMOVE_FILE, _MAKE_CHAR, _MAKE_DIR, _MAKE_REG = (1 << bit for bit in range(4, 9))
_MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM = (1 << bit for bit in range(9, 13))
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_SINCE = {_REFER: 2, _TRUNCATE: 3, _IOCTL_DEV: 5}
_ALL = (1 << 16) - 1
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_TCP, _TCP_SINCE = 0b11, 4
# abstract Unix sockets of other processes, and signals to other processes
_SCOPES, _SCOPES_SINCE = 0b11, 6

LIST = _READ_DIR
READ = _EXECUTE | _READ_FILE | _READ_DIR
DEVICE = _READ_FILE | _WRITE_FILE | _READ_DIR | _TRUNCATE | _IOCTL_DEV
# all rights but those to make and control devices
OWN = _ALL & ~(_MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV)

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH, _ASK_VERSION = 1, 1


@cache
def version() -> int:
    """The version of Landlock's interface, from 1; 0 where the kernel has none."""
    if not linux.IS_LINUX:
        return 0
    try:
        return linux.system_call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def forbids_network() -> bool:
    """Whether Landlock can forbid TCP."""
    return version() >= _TCP_SINCE


def _known(rights: int) -> int:
    """``rights`` without those that this kernel's Landlock does not know."""
    for right, since in _SINCE.items():
        if version() < since:
            rights &= ~right
    return rights


def make_ruleset(rules: Iterable[tuple[Path, int]]) -> int:
    """A file descriptor of rules that allow each ``(path, rights)`` with everything below the path.

    Nothing else is allowed: also no TCP and no signals to other processes, where the kernel can
    forbid them. Paths that do not exist are passed over. The caller closes the descriptor. Raises
    OSError without Landlock.
    """
    files = _known(_ALL)
    network = _TCP if forbids_network() else 0
    scopes = _SCOPES if version() >= _SCOPES_SINCE else 0
    attributes = struct.pack("QQQ", files, network, scopes)
    size = 24 if scopes else 16 if network else 8
    ruleset = linux.system_call(_CREATE_RULESET, ctypes.create_string_buffer(attributes), size, 0)
    try:
        for path, rights in rules:
            allow(ruleset, path, rights)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def allow(ruleset: int, path: Path, rights: int) -> None:
    """Adds a rule, none for a path that does not exist. Raises OSError."""
    rights = _known(rights)
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_A_FILE
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place))
        if rights:
            linux.system_call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(place)


def restrict(ruleset: int) -> None:
    """Holds this thread, and all threads and processes that it starts, to a ruleset for good."""
    linux.gain_no_privileges()
    linux.system_call(_RESTRICT_SELF, ruleset, 0)
