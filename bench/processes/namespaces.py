"""Namespaces of a process's own: users, mounts, processes, IPC, host name and network.

Linux only; elsewhere ``offered`` returns 0. isolation.py decides which process gets which.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

from bench.processes import linux, orphans

MOUNTS, NAME, IPC, USER, PROCESSES, NETWORK = (
    *(0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000),
)
# from most to least; a system may refuse the first, to root or in a container
_CHOICES = (
    *(USER | MOUNTS | NAME | IPC | PROCESSES | NETWORK, MOUNTS | NAME | IPC | PROCESSES | NETWORK),
    *(USER | MOUNTS | NAME | IPC | NETWORK, MOUNTS | NAME | IPC | NETWORK),
)
# folders where everybody writes, of which a process gets its own, empty
SHARED_FOLDERS = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))
_PROC = Path("/proc")

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_CLONE_TREE, _CLOSE_ON_EXEC = 1, os.O_CLOEXEC if linux.IS_LINUX else 0
_FROM_EMPTY_PATH = 4
_AT_EMPTY_PATH, _AT_RECURSIVE, _AT_CWD = 0x1000, 0x8000, -100
_BIND, _RECURSIVE, _PRIVATE, _DETACH = 0x1000, 0x4000, 0x40000, 2
_READ_ONLY, _NO_SETUID, _NO_DEVICES, _NO_PROGRAMS = 1, 2, 4, 8
_SET_INTERFACE_FLAGS, _UP_AND_RUNNING = 0x8914, 0x41
_MAY_MOUNT = 1 << 21  # CAP_SYS_ADMIN


@cache
def offered() -> int:
    """The flags of the namespaces that ``enter`` can give a program on this system, 0 if none.

    Tried once, in children.
    """
    scratch = Path(tempfile.gettempdir())
    return next((flags for flags in _CHOICES if _works(flags, scratch)), 0)


def _works(flags: int, scratch: Path) -> bool:
    def enter_and_end() -> None:
        enter(flags, scratch, View())
        os._exit(0)

    if not linux.IS_LINUX:
        return False
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [sys.executable],
            preexec_fn=enter_and_end,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return True
    return False


def offered_here() -> int:
    """Those of ``offered`` that this process itself can move into, with all the powers that it has
    over files: root keeps its users."""
    flags = offered() & ~PROCESSES
    with contextlib.suppress(OSError):
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        powers = int(text.partition("CapEff:")[2].split()[0], 16)
        return flags & ~USER if powers & _MAY_MOUNT else flags
    return flags


@dataclass(frozen=True, slots=True)
class View:
    """The files that a program sees: real paths, symbolic links by which they have other names,
    and folders of which nothing is seen but what else is named."""

    places: tuple[Path, ...] = ()
    links: tuple[tuple[Path, Path], ...] = ()
    folders: tuple[Path, ...] = ()


def links_on(path: Path) -> Iterator[tuple[Path, Path]]:
    """The symbolic links on the way from a path to its real one, with what they say."""
    at = Path("/")
    parts = path.absolute().parts[1:] if path.exists() else ()
    for index, part in enumerate(parts):
        at = at.parent if part == ".." else at / part
        if at.is_symlink():
            yield at, at.readlink()
            yield from links_on(Path(at.parent, at.readlink(), *parts[index + 1 :]))
            return


def enter(flags: int, own: Path, view: View | None = None) -> None:
    """Moves this process into namespaces of its own, with ``own`` as its current folder.

    It then has no network but a loopback of its own, and all file systems are read-only but
    ``own``. With PROCESSES this call returns in a new process, in a new session, which sees no
    other but what it starts; the process that called ends as that one does, and nothing outlives
    them. With a ``view`` there are no other files than those, read-only, ``own``, and empty folders
    of its own in the place of SHARED_FOLDERS. Raises OSError; with USER, too, where this process
    has several threads.
    """
    _unshare(flags)
    if flags & PROCESSES:
        _continue_inside()
    if view is None:
        _make_read_only(own)
    else:
        _make_root(own, view)
    if flags & PROCESSES:
        how = _READ_ONLY | _NO_SETUID | _NO_DEVICES | _NO_PROGRAMS
        linux.call("mount", b"proc", bytes(_PROC), b"proc", how, b"hidepid=4")
    os.chdir(own)
    if flags & NETWORK:
        request = struct.pack("16sh14x", b"lo", _UP_AND_RUNNING)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, _SET_INTERFACE_FLAGS, request)


def protect(folders: Iterable[Path]) -> None:
    """Makes folders and files read-only for this process and its later children, for good.

    Raises OSError, as ``enter`` does.
    """
    _unshare(offered_here() & (MOUNTS | USER))
    for folder in folders:
        if folder.exists():
            place = os.fsencode(folder)
            linux.call("mount", place, place, None, _BIND | _RECURSIVE, None)
            _set_read_only(_AT_CWD, place)


def _unshare(flags: int) -> None:
    user, group = os.geteuid(), os.getegid()
    linux.call("unshare", flags)
    if flags & USER:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            Path(f"/proc/self/{name}").write_text(text)
    linux.call("mount", None, b"/", None, _RECURSIVE | _PRIVATE, None)


def _continue_inside() -> None:
    """Returns in a grandchild, in the process namespace that this process has made.

    The child is the namespace's first process: it takes in orphans, and with its end the kernel
    ends all others. The program cannot be that one, for signals do not end the first process.
    """
    linux.hide_memory()  # of the original, which this process may hold
    ending, telling = os.pipe()
    this = os.pidfd_open(os.getpid())
    first = os.fork()
    if first:
        _never_return(lambda: _end_as(first, ending))
    orphans.die_with_parent()
    if _readable((this,), 0):  # it has ended
        os._exit(1)
    program = os.fork()
    if program:
        _never_return(lambda: _wait_for(program, telling))
    os.setsid()


def _never_return(call: Callable[[], None]) -> NoReturn:
    """Ends this process after the call, in which it may raise: above lies what a child must not
    run."""
    try:
        linux.default_signals()
        call()
    finally:
        os._exit(1)


def _wait_for(program: int, telling: int) -> None:
    """Waits for all children until the program ends, and writes its status."""
    linux.close_all_but(telling)
    found = status = 0
    while found != program:
        found, status = os.wait()
    os.write(telling, struct.pack("i", status))
    os._exit(0)


def _end_as(first: int, ending: int) -> None:
    """Ends this process as the program ended, once nothing of it is left; when it is told to
    terminate, after ending the program."""
    linux.close_all_but(ending)
    heard, telling = os.pipe()
    os.set_blocking(telling, False)
    # a handler in Python would not run if the signal came just before a call that waits
    signal.set_wakeup_fd(telling)
    signal.signal(signal.SIGTERM, lambda *_: None)
    if heard in _readable((ending, heard)):
        os.kill(first, signal.SIGKILL)
    told = os.read(ending, 4)
    status = os.waitpid(first, 0)[1]
    if told:
        (status,) = struct.unpack("i", told)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def _readable(handles: Iterable[int], milliseconds: int | None = None) -> list[int]:
    """Those that can be read or are closed. ``select`` takes no number over 1023."""
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    return [handle for handle, _ in poll.poll(milliseconds)]


def _make_read_only(own: Path) -> None:
    """All that there is but ``own``, and an empty shared memory in the place of others'."""
    own_tree = _open_tree(own)
    _set_read_only(_AT_CWD, b"/")
    memory = bytes(SHARED_FOLDERS[-1])
    with contextlib.suppress(FileNotFoundError):
        linux.call("mount", b"tmpfs", memory, b"tmpfs", _NO_SETUID | _NO_DEVICES, None)
    _place_tree(own_tree, own)


def _make_root(own: Path, view: View) -> None:
    """A root of this process's own with nothing in it but the view and ``own``."""
    trees = [(_open_tree(place), place) for place in view.places if place.exists()]
    for tree, _ in trees:
        _set_read_only(tree, b"", _AT_EMPTY_PATH)
    trees.append((_open_tree(own), own))
    root = own  # any folder will do: what is mounted there goes out of sight with the old root
    linux.call("mount", b"tmpfs", bytes(root), b"tmpfs", _NO_SETUID | _NO_DEVICES, b"mode=755")
    for place in (*view.folders, *SHARED_FOLDERS, _PROC):
        _below(root, place).mkdir(parents=True, exist_ok=True)
    for place in SHARED_FOLDERS:
        _below(root, place).chmod(0o1777)
    for tree, place in trees:
        _place_tree(tree, _below(root, place))
    for name, target in view.links:
        with contextlib.suppress(FileExistsError):
            _below(root, name).parent.mkdir(parents=True, exist_ok=True)
            _below(root, name).symlink_to(target)
    proc = bytes(_below(root, _PROC))
    linux.call("mount", bytes(_PROC), proc, None, _BIND | _RECURSIVE, None)
    _set_read_only(_AT_CWD, proc)
    os.chdir(root)
    linux.call("pivot_root", b".", b".")
    linux.call("umount2", b".", _DETACH)


def _below(root: Path, place: Path) -> Path:
    return Path(f"{root}{place}")


def _open_tree(place: Path) -> int:
    """A copy of the mounts at a place, in no folder yet."""
    how = _CLONE_TREE | _CLOSE_ON_EXEC | _AT_RECURSIVE
    return linux.system_call(_OPEN_TREE, _AT_CWD, ctypes.c_char_p(bytes(place)), how)


def _place_tree(tree: int, target: Path) -> None:
    if stat.S_ISDIR(os.fstat(tree).st_mode):
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    empty = ctypes.c_char_p(b"")
    path = ctypes.c_char_p(bytes(target))
    linux.system_call(_MOVE_MOUNT, tree, empty, _AT_CWD, path, _FROM_EMPTY_PATH)
    os.close(tree)


def _set_read_only(base: int, place: bytes, how: int = 0) -> None:
    attributes = ctypes.create_string_buffer(struct.pack("QQQQ", _READ_ONLY, 0, 0, 0))
    how |= _AT_RECURSIVE
    linux.system_call(_MOUNT_SETATTR, base, ctypes.c_char_p(place), how, attributes, 32)
