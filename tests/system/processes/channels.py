"""Ways in which an encoder could leave a secret to its decoder.

``python channels.py put|get NAME IN OUT``, with the standard library alone. ``put`` hides what IN
holds and writes "8 bytes."; ``get`` writes what it finds, or fails where it finds nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_c = ctypes.CDLL(None, use_errno=True)
_KEY, _NAME = 0x0BE7C5, "bench-channel"
_BESIDE = Path(__file__).parent
_PORT = 47811
_NICENESS = 13


def _check(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class File:
    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder).expanduser() / _NAME

    def put(self, secret: bytes) -> None:
        self.path.write_bytes(secret)

    def get(self) -> bytes:
        found = self.path.read_bytes()
        self.path.unlink()
        return found


class Attribute:
    """An extended attribute of the script, which both may read."""

    def put(self, secret: bytes) -> None:
        os.setxattr(__file__, "user.channel", secret)

    def get(self) -> bytes:
        return os.getxattr(__file__, "user.channel")


class Link:
    """What a symbolic link that leads nowhere says."""

    def put(self, secret: bytes) -> None:
        (_BESIDE / _NAME).symlink_to(secret.hex())

    def get(self) -> bytes:
        return bytes.fromhex(str((_BESIDE / _NAME).readlink()))


class HardLink:
    """A file of the encoder's folder with a second name outside."""

    def put(self, secret: bytes) -> None:
        Path("mine").write_bytes(secret)
        os.link("mine", f"/var/tmp/{_NAME}")

    get = File("/var/tmp").get


class Times:
    """Seven bytes in the time when the script was changed."""

    def put(self, secret: bytes) -> None:
        os.utime(__file__, ns=(0, int.from_bytes(secret[:7], "big")))

    def get(self) -> bytes:
        return Path(__file__).stat().st_mtime_ns.to_bytes(7, "big")  # too few for today's


class Listing:
    """The name of a folder beside the script."""

    def put(self, secret: bytes) -> None:
        (_BESIDE / f"{_NAME}.{secret.hex()}").mkdir()

    def get(self) -> bytes:
        return bytes.fromhex(next(_BESIDE.glob(f"{_NAME}.*")).suffix[1:])


class Daemon:
    """A process that stays: ``stay`` prepares what it shows."""

    def stay(self, secret: bytes) -> None:
        """Called in the process that stays."""

    def put(self, secret: bytes) -> None:
        ready, told = os.pipe()
        if not os.fork():
            with contextlib.suppress(BaseException):
                self.stay(secret)
                os.write(told, b".")
                time.sleep(20)
            os._exit(0)
        os.close(told)
        os.read(ready, 1)


def _of_processes(what: str) -> Iterator[Path]:
    """This file in /proc of every process but this one."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            yield folder / what


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended, or is another user's
        return b""


class Arguments(Daemon):
    def stay(self, secret: bytes) -> None:
        words = [sys.executable, "-I", "-S", __file__, "wait", _NAME, secret.hex(), ""]
        if not os.fork():
            os.execv(sys.executable, words)
        while not any(secret.hex().encode() in _read(one) for one in _of_processes("cmdline")):
            time.sleep(0.01)

    def get(self) -> bytes:
        for path in _of_processes("cmdline"):
            words = _read(path).split(b"\0")
            if _NAME.encode() in words:
                return bytes.fromhex(words[words.index(_NAME.encode()) + 1].decode())
        raise OSError("no such process")


class Memory(Daemon):
    """A file in memory that a process holds open."""

    def stay(self, secret: bytes) -> None:
        self.handle = os.memfd_create(_NAME)
        os.write(self.handle, secret)

    def get(self) -> bytes:
        for folder in _of_processes("fd"):
            with contextlib.suppress(OSError):
                for path in folder.iterdir():
                    if _NAME in str(path.readlink()):
                        return path.read_bytes()
        raise OSError("no such file")


class Folder(Daemon):
    """The current folder of a process, and all in it."""

    def stay(self, secret: bytes) -> None:
        Path(_NAME).write_bytes(secret)

    def get(self) -> bytes:
        found = (_read(path) for path in _of_processes(f"cwd/{_NAME}"))
        return next(filter(None, found))


class Socket(Daemon):
    def __init__(self, family: int, address: str | tuple[str, int]) -> None:
        self.family, self.address = family, address

    def stay(self, secret: bytes) -> None:
        server = socket.socket(self.family)
        server.bind(self.address)
        server.listen()
        if not os.fork():
            server.settimeout(20)
            server.accept()[0].sendall(secret)
            os._exit(0)

    def get(self) -> bytes:
        client = socket.socket(self.family)
        client.settimeout(5)
        client.connect(self.address)
        return client.recv(100)


class Datagram(Daemon):
    """UDP: which of 256 ports is taken."""

    def stay(self, secret: bytes) -> None:
        self.held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in secret[:1]]
        self.held[0].bind(("127.0.0.1", _PORT + secret[0]))

    def get(self) -> bytes:
        for byte in range(256):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                try:
                    one.bind(("127.0.0.1", _PORT + byte))
                except OSError:
                    return bytes([byte])
        raise OSError("no port is taken")


class Lock(Daemon):
    """A byte's bits in which of eight bytes of the script are locked."""

    def stay(self, secret: bytes) -> None:
        self.handle = os.open(__file__, os.O_RDONLY)
        for bit in (one for one in range(8) if secret[0] >> one & 1):
            fcntl.lockf(self.handle, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, bit)

    def get(self) -> bytes:
        found, handle = 0, os.open(__file__, os.O_RDONLY)
        for bit in range(8):
            asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, bit, 1, 0)
            kind = struct.unpack("hhqqi4x", fcntl.fcntl(handle, fcntl.F_GETLK, asked))[0]
            found |= (kind != fcntl.F_UNLCK) << bit
        if not found:
            raise OSError("nothing is locked")
        return bytes([found])


class Pipe(Daemon):
    """A named pipe that somebody fills."""

    def stay(self, secret: bytes) -> None:
        os.mkfifo(f"/var/tmp/{_NAME}")
        os.write(os.open(f"/var/tmp/{_NAME}", os.O_RDWR), secret)

    def get(self) -> bytes:
        handle = os.open(f"/var/tmp/{_NAME}", os.O_RDONLY | os.O_NONBLOCK)
        Path(f"/var/tmp/{_NAME}").unlink()
        return os.read(handle, 100)


class Limit:
    """A limit of the parent."""

    def put(self, secret: bytes) -> None:
        limits = (int.from_bytes(secret[:2], "big"), 1 << 19)
        resource.prlimit(os.getppid(), resource.RLIMIT_MSGQUEUE, limits)

    def get(self) -> bytes:  # OverflowError for the usual limit
        return resource.prlimit(os.getppid(), resource.RLIMIT_MSGQUEUE)[0].to_bytes(2, "big")


class Priority:
    """Of the parent, its group and all processes of the user."""

    def put(self, secret: bytes) -> None:
        for which in (os.PRIO_PROCESS, os.PRIO_PGRP):
            os.setpriority(which, os.getppid() if which == os.PRIO_PROCESS else 0, _NICENESS)

    def get(self) -> bytes:
        found = os.getpriority(os.PRIO_PROCESS, os.getppid())
        if found != _NICENESS:
            raise OSError("as always")
        return bytes([found])


class Badness:
    """What /proc keeps of the parent: the score for the case that memory runs out."""

    def put(self, secret: bytes) -> None:
        Path(f"/proc/{os.getppid()}/oom_score_adj").write_text(str(secret[0] + 300))

    def get(self) -> bytes:
        return bytes([int(Path(f"/proc/{os.getppid()}/oom_score_adj").read_text()) - 300])


class SharedMemory:
    """System V's, with a semaphore and a message queue beside it."""

    def put(self, secret: bytes) -> None:
        _check(_c.semget(_KEY, 1, 0o1600))
        _check(_c.msgget(_KEY, 0o1600))
        ctypes.memmove(self._at(_check(_c.shmget(_KEY, 4096, 0o1600))), secret, len(secret))

    def _at(self, memory: int) -> int:
        _c.shmat.restype = ctypes.c_void_p
        return int(_c.shmat(memory, None, 0))

    def get(self) -> bytes:
        handles = [_c.semget(_KEY, 0, 0o600), _c.msgget(_KEY, 0o600), _c.shmget(_KEY, 0, 0o600)]
        if handles == [-1, -1, -1]:
            raise OSError("nothing there")
        found = ctypes.string_at(self._at(handles[2]), 4096)
        _c.semctl(handles[0], 0, 0)
        _c.msgctl(handles[1], 0, None)
        _c.shmctl(handles[2], 0, None)
        return found


class Queue:
    """A POSIX message queue."""

    def put(self, secret: bytes) -> None:
        queue = _check(_c.mq_open(f"/{_NAME}".encode(), os.O_CREAT | os.O_RDWR, 0o600, None))
        _check(_c.mq_send(queue, secret, ctypes.c_size_t(len(secret)), 0))

    def get(self) -> bytes:
        queue = _check(_c.mq_open(f"/{_NAME}".encode(), os.O_RDWR))
        _c.mq_unlink(f"/{_NAME}".encode())
        room = ctypes.create_string_buffer(8192)
        return room.raw[: _check(_c.mq_receive(queue, room, ctypes.c_size_t(8192), None))]


class Keyring:
    """The user's and the session's keyring."""

    def __init__(self, ring: int) -> None:
        self.ring = ring

    def put(self, secret: bytes) -> None:
        add = {"x86_64": 248, "aarch64": 217}[os.uname().machine]
        room = ctypes.c_size_t(len(secret))
        _check(_c.syscall(add, b"user", _NAME.encode(), secret, room, self.ring))

    def get(self) -> bytes:
        control = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
        key = _check(_c.syscall(control, 10, self.ring, b"user", _NAME.encode(), 0))
        room = ctypes.create_string_buffer(100)
        return room.raw[: _check(_c.syscall(control, 11, key, room, ctypes.c_size_t(100)))]


class HostName:
    def put(self, secret: bytes) -> None:
        socket.sethostname(secret.hex())

    def get(self) -> bytes:
        return bytes.fromhex(socket.gethostname())


class Setting:
    """A setting of the whole kernel or of a namespace that stays."""

    def __init__(self, path: str) -> None:
        self.path = Path("/proc/sys/kernel", path)

    def put(self, secret: bytes) -> None:
        self.path.write_text(secret.hex())

    def get(self) -> bytes:
        return bytes.fromhex(self.path.read_text().strip())


class Remounted(Attribute):
    """Read-only mounts made writable again."""

    def put(self, secret: bytes) -> None:
        words = (ctypes.c_uint64 * 4)(0, 1, 0, 0)
        for place in (b"/", bytes(Path(__file__).parent)):
            _c.syscall(442, -100, place, 0x8000, words, ctypes.c_size_t(32))
            _c.mount(None, place, None, 32 | 4096, None)
        _c.umount2(b"/", 2)
        super().put(secret)


class Outside(File):
    """The mounts of the parent, or new namespaces with all powers in them."""

    def put(self, secret: bytes) -> None:
        for path in _of_processes("ns/mnt"):
            with contextlib.suppress(OSError):
                _c.setns(os.open(path, os.O_RDONLY), 0)
        _c.unshare(0x10020000)
        super().put(secret)


class MountName:
    """The name of what is mounted somewhere."""

    def put(self, secret: bytes) -> None:
        _check(_c.mount(f"{_NAME}.{secret.hex()}".encode(), b"/var/tmp", b"tmpfs", 0, None))

    def get(self) -> bytes:
        for path in _of_processes("mountinfo"):
            for word in _read(path).decode().split():
                if word.startswith(f"{_NAME}."):
                    return bytes.fromhex(word.partition(".")[2])
        raise OSError("no such mount")


class Group:
    """Numbers that a control group keeps, such as the most memory that was ever used."""

    def put(self, secret: bytes) -> None:
        """Whatever runs changes them."""

    def get(self) -> bytes:
        return next(Path("/sys/fs/cgroup").iterdir()).name.encode()


class Service:
    """Sockets of the system's services, which keep what they are told."""

    def put(self, secret: bytes) -> None:
        """Any of them would do."""

    def get(self) -> bytes:
        return next(Path("/run").iterdir()).name.encode()


class Inherited:
    """A descriptor of the parent."""

    def put(self, secret: bytes) -> None:
        os.write(int(os.environ["CHANNEL"]), secret)

    def get(self) -> bytes:
        return os.pread(int(os.environ["CHANNEL"]), 100, 0)


CHANNELS = {
    **{f"file in {one}": File(one) for one in ("/tmp", "/var/tmp", "/dev/shm", "~", _BESIDE)},
    "attribute": Attribute(),
    "link": Link(),
    "hard link": HardLink(),
    "times": Times(),
    "listing": Listing(),
    "arguments": Arguments(),
    "memory": Memory(),
    "folder": Folder(),
    "TCP": Socket(socket.AF_INET, ("127.0.0.1", _PORT)),
    "abstract socket": Socket(socket.AF_UNIX, f"\0{_NAME}"),
    "socket": Socket(socket.AF_UNIX, f"{_BESIDE}/socket"),
    "UDP": Datagram(),
    "lock": Lock(),
    "pipe": Pipe(),
    "limit": Limit(),
    "priority": Priority(),
    "badness": Badness(),
    "System V": SharedMemory(),
    "queue": Queue(),
    "user keyring": Keyring(-4),
    "session keyring": Keyring(-3),
    "host name": HostName(),
    "domain name": Setting("domainname"),
    "core pattern": Setting("core_pattern"),
    "remounted": Remounted(),
    "outside": Outside(_BESIDE),
    "mount name": MountName(),
    "control group": Group(),
    "service": Service(),
    "inherited": Inherited(),
}


def main() -> None:
    job, name, source, target = sys.argv[1:]
    if job == "wait":
        time.sleep(20)
    elif job == "put":
        try:
            CHANNELS[name].put(Path(source).read_bytes())
        except OSError as error:
            print(error)  # as if nothing were wrong: it is the decoder that gives it away
        Path(target).write_bytes(b"8 bytes.")
    else:
        Path(target).write_bytes(CHANNELS[name].get())


if __name__ == "__main__":
    main()
