"""Calls of the C library and of the Linux kernel that Python does not offer. Decides nothing."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import sys

IS_LINUX = sys.platform == "linux"
_c = ctypes.CDLL(None, use_errno=True) if IS_LINUX else None
_CLOSE_RANGE = 436
_LAST_DESCRIPTOR = (1 << 32) - 1
_SET_DUMPABLE, _DROP_FROM_BOUNDING_SET, _SET_NO_NEW_PRIVILEGES = 4, 24, 38
_AMBIENT, _CLEAR_ALL = 47, 4
_CAPABILITIES = 64
_CAPABILITY_VERSION = 0x20080522
_KEYCTL, _JOIN_SESSION_KEYRING = {"x86_64": 250, "aarch64": 219}, 1


def call(name: str, *arguments: object) -> int:
    """Calls a function of the C library that returns −1 and sets errno. Raises OSError."""
    assert _c is not None
    result = int(_c[name](*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def system_call(number: int, *arguments: object) -> int:
    """A system call by its number. Raises OSError."""
    words = (ctypes.c_long(one) if isinstance(one, int) else one for one in arguments)
    return call("syscall", ctypes.c_long(number), *words)


def control(option: int, *arguments: object) -> None:
    """``prctl``. Raises OSError."""
    words = [ctypes.c_ulong(one) if isinstance(one, int) else one for one in arguments]
    call("prctl", option, *words, *[ctypes.c_ulong(0)] * (4 - len(words)))


def close_all_but(kept: int) -> None:
    """Closes all file descriptors of this process but one."""
    if kept:
        system_call(_CLOSE_RANGE, 0, kept - 1, 0)
    system_call(_CLOSE_RANGE, kept + 1, _LAST_DESCRIPTOR, 0)


def hide_memory() -> None:
    """Keeps other processes of this user from reading what this process holds."""
    control(_SET_DUMPABLE, 0)


def gain_no_privileges() -> None:
    """No program that this process starts gains privileges by its owner or its attributes."""
    control(_SET_NO_NEW_PRIVILEGES, 1)


def leave_keyring() -> None:
    """Begins a session keyring of this process's own, where the kernel keeps keys at all."""
    if number := _KEYCTL.get(platform.machine()):
        with contextlib.suppress(OSError):
            system_call(number, _JOIN_SESSION_KEYRING, None)


def drop_capabilities() -> None:
    """Gives up all powers of root, for this process and what it starts."""
    for number in range(_CAPABILITIES):
        try:
            control(_DROP_FROM_BOUNDING_SET, number)
        except OSError:  # there are no more, or it may not: what follows is then all
            break
    control(_AMBIENT, _CLEAR_ALL)
    head = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    call("capset", head, (ctypes.c_uint32 * 6)())


def default_signals() -> None:
    """Undoes handlers in Python, so that signals do to this process what they do to any."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
