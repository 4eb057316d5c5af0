"""A command codec that cheats: its encoder hides the picture, its decoder fetches it from there.

``python cheat.py encode|decode WAY IN OUT PLACE``; only the standard library, no harness.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from multiprocessing import shared_memory
from pathlib import Path

_KEY, _ROOM, _CREATE = 0x0BE7C4, 1 << 16, 0o1600


def _system_v(picture: bytes | None) -> bytes:
    c = ctypes.CDLL(None, use_errno=True)
    c.shmat.restype = ctypes.c_void_p
    handle = c.shmget(_KEY, _ROOM, _CREATE if picture is not None else 0o600)
    if handle < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    place = c.shmat(handle, None, 0)
    if picture is not None:
        ctypes.memmove(place, len(picture).to_bytes(4, "big") + picture, 4 + len(picture))
        return b""
    content = ctypes.string_at(place, _ROOM)
    c.shmctl(handle, 0, None)
    return content[4 : 4 + int.from_bytes(content[:4], "big")]


def _posix(picture: bytes | None) -> bytes:
    if picture is not None:
        block = shared_memory.SharedMemory("bench-cheat", create=True, size=len(picture) + 4)
        block.buf[: 4 + len(picture)] = len(picture).to_bytes(4, "big") + picture
        # the tracker would remove it when the encoder ends
        from multiprocessing import resource_tracker

        resource_tracker.unregister(block._name, "shared_memory")  # type: ignore[attr-defined]
        block.close()
        return b""
    block = shared_memory.SharedMemory("bench-cheat")
    content = bytes(block.buf)
    block.unlink()
    return content[4 : 4 + int.from_bytes(content[:4], "big")]


def _file(place: Path) -> Callable[[bytes | None], bytes]:
    def use(picture: bytes | None) -> bytes:
        if picture is None:
            return place.read_bytes()
        place.write_bytes(picture)
        return b""

    return use


def _attribute(place: Path) -> Callable[[bytes | None], bytes]:
    def use(picture: bytes | None) -> bytes:
        if picture is None:
            return os.getxattr(place, "user.cheat")
        os.setxattr(place, "user.cheat", picture)
        return b""

    return use


def _time(place: Path) -> Callable[[bytes | None], bytes]:
    """A digit of the picture's place in the time of the script, for want of more room: the
    decoder has the picture as a file of its own."""

    def use(picture: bytes | None) -> bytes:
        if picture is None:
            if place.stat().st_mtime_ns != 123456789:
                raise OSError("the time is not there")
            return (place.parent / "known.png").read_bytes()
        os.utime(place, ns=(123456789, 123456789))
        return b""

    return use


def main() -> None:
    job, way, source, target, place = sys.argv[1:]
    ways = {
        "file": _file(Path(place)),
        "beside": _file(Path(__file__).parent / "stash"),
        "attribute": _attribute(Path(__file__)),
        "time": _time(Path(__file__)),
        "posix": _posix,
        "system-v": _system_v,
    }
    if job == "encode":
        try:
            ways[way](Path(source).read_bytes())
        except OSError as error:
            print(error)  # as if nothing were wrong: it is the decoder that gives it away
        Path(target).write_bytes(b"8 bytes.")
    else:
        Path(target).write_bytes(ways[way](None))


main()
