"""The system calls that confine a process: Landlock rules, and namespaces of its own.

Linux only; elsewhere ``landlock_version`` and ``spaces`` return 0. Knows no codec; isolation.py
decides which process may read what.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path

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

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF, _MOUNT_SETATTR = 444, 445, 446, 442
_PATH_BENEATH, _ASK_VERSION = 1, 1
_NO_NEW_PRIVILEGES = 38

NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_NETWORK = 0x20000, 0x8000000, 0x10000000, 0x40000000
_BIND, _RECURSIVE, _SLAVE = 0x1000, 0x4000, 0x80000
_READ_ONLY, _AT_RECURSIVE, _AT_CWD = 1, 0x8000, -100
_SET_INTERFACE_FLAGS, _UP_AND_RUNNING = 0x8914, 0x41
_SHARED_MEMORY = "/dev/shm"

_linux = sys.platform == "linux"
_c = ctypes.CDLL(None, use_errno=True) if _linux else None


def _call(name: str, *arguments: object) -> int:
    """Calls a function of the C library that returns −1 and sets errno. Raises OSError."""
    assert _c is not None
    result = int(_c[name](*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _system_call(number: int, *arguments: object) -> int:
    words = (ctypes.c_long(one) if isinstance(one, int) else one for one in arguments)
    return _call("syscall", ctypes.c_long(number), *words)


@cache
def landlock_version() -> int:
    """The version of Landlock's interface, from 1; 0 where the kernel has none."""
    if not _linux:
        return 0
    try:
        return _system_call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def forbids_network() -> bool:
    """Whether Landlock can forbid TCP."""
    return landlock_version() >= _TCP_SINCE


def _known(rights: int, version: int) -> int:
    """``rights`` without those that this version of the interface does not know."""
    for right, since in _SINCE.items():
        if version < since:
            rights &= ~right
    return rights


def make_ruleset(rules: Iterable[tuple[Path, int]]) -> int:
    """A file descriptor of rules that allow each ``(path, rights)`` with everything below the path.

    Nothing else is allowed: also no TCP and no signals to other processes, where the kernel can
    forbid them. Paths that do not exist are passed over. The caller closes the descriptor. Raises
    OSError without Landlock.
    """
    version = landlock_version()
    files = _known(_ALL, version)
    network = _TCP if version >= _TCP_SINCE else 0
    scopes = _SCOPES if version >= _SCOPES_SINCE else 0
    attributes = struct.pack("QQQ", files, network, scopes)
    size = 24 if scopes else 16 if network else 8
    ruleset = _system_call(_CREATE_RULESET, ctypes.create_string_buffer(attributes), size, 0)
    try:
        for path, rights in rules:
            allow(ruleset, path, rights)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def allow(ruleset: int, path: Path, rights: int) -> None:
    """Adds a rule, none for a path that does not exist. Raises OSError."""
    rights = _known(rights, landlock_version())
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_A_FILE
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place))
        if rights:
            _system_call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(place)


def restrict(ruleset: int) -> None:
    """Holds this thread, and all threads and processes that it starts, to a ruleset for good."""
    zero = ctypes.c_ulong(0)
    _call("prctl", _NO_NEW_PRIVILEGES, ctypes.c_ulong(1), zero, zero, zero)
    _system_call(_RESTRICT_SELF, ruleset, 0)


@cache
def spaces() -> int:
    """The flags with which a process can leave the namespaces of network, shared memory and mounts.

    0 where the system does not allow it. Tried once, in a child.
    """
    if not _linux:
        return 0
    ours = NEW_NETWORK | NEW_IPC | NEW_MOUNTS
    for flags in (ours, ours | NEW_USER):
        try:
            subprocess.run(
                ["true"],
                preexec_fn=partial(leave, flags, Path(tempfile.gettempdir())),
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        return flags
    return 0


def leave(flags: int, writable: Path) -> None:
    """Moves this process into namespaces of its own.

    It then has no network but a loopback of its own, no shared memory of other processes, and all
    file systems are read-only but ``writable``, which becomes its current folder. With NEW_USER
    the kernel refuses a process of several threads. Raises OSError.
    """
    _unshare(flags)
    folder = os.fsencode(writable)
    _call("mount", folder, folder, None, _BIND, None)
    _set_read_only(b"/", True, _AT_RECURSIVE)
    _set_read_only(folder, False)
    if Path(_SHARED_MEMORY).is_dir():
        place = _SHARED_MEMORY.encode()
        _call("mount", b"tmpfs", place, b"tmpfs", 0, None)
    os.chdir(writable)
    if flags & NEW_NETWORK:
        request = struct.pack("16sh14x", b"lo", _UP_AND_RUNNING)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, _SET_INTERFACE_FLAGS, request)


def protect(flags: int, folders: Iterable[Path]) -> None:
    """Makes folders and files read-only for this process and its later children, for good.

    Raises OSError, as ``leave`` does.
    """
    _unshare(flags & (NEW_MOUNTS | NEW_USER))
    for folder in folders:
        if folder.exists():
            place = os.fsencode(folder)
            _call("mount", place, place, None, _BIND | _RECURSIVE, None)
            _set_read_only(place, True, _AT_RECURSIVE)


def _unshare(flags: int) -> None:
    user, group = os.geteuid(), os.getegid()
    _call("unshare", flags)
    if flags & NEW_USER:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            Path(f"/proc/self/{name}").write_text(text)
    _call("mount", None, b"/", None, _RECURSIVE | _SLAVE, None)


def _set_read_only(place: bytes, read_only: bool, how: int = 0) -> None:
    change = (_READ_ONLY, 0) if read_only else (0, _READ_ONLY)
    attributes = ctypes.create_string_buffer(struct.pack("QQQQ", *change, 0, 0))
    _system_call(_MOUNT_SETATTR, _AT_CWD, ctypes.c_char_p(place), how, attributes, 32)
