"""Decodes payloads as an older processor would, in a fork of a process that has not computed yet.

Compares nothing: what was decoded lies in files of the process that asked.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.cards import CodecCard, plugins
from bench.cards.plugins import Plugin
from bench.codecs.base import CodecBase
from bench.codecs.build import adapter_class, build_codec
from bench.codecs.foreign.places import is_ours
from bench.machine import INSTRUCTION_SETS, older_instructions
from bench.processes import linux
from bench.signals import Frame

_END_WITH_PARENT = 1


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What an older processor makes of a payload: the file of its frames, or the error; neither
    where nothing can differ."""

    frames: Path | None = None
    error: str = ""


def decode_on_older_processor(
    card: CodecCard,
    device: str,
    payloads: Sequence[bytes],
    plugged: Sequence[Plugin],
    folder: Path,
) -> list[Elsewhere]:
    """Decodes with other vector instructions and another number of threads than this process will,
    which must not have computed anything yet: libraries look at the processor once."""
    nothing = [Elsewhere()] * len(payloads)
    if device != "cpu" or not may_differ(card, plugged):
        return nothing
    child = os.fork()
    if not child:
        try:
            _decode_all(card, payloads, folder)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return [_found(folder, place) for place in range(len(payloads))]


def frames_of(path: Path) -> Iterator[Frame]:
    """The frames of a file of ``Elsewhere``."""
    with path.open("rb") as file:
        while file.peek(1):
            yield np.load(file, allow_pickle=False)


def may_differ(card: CodecCard, plugged: Sequence[Plugin] = ()) -> bool:
    """Whether the codec says that other machines may decode otherwise, and decodes in this process:
    that of others has a process of its own."""
    if not is_ours(card.adapter):
        return False
    try:
        plugins.note(plugged)
        adapter = adapter_class(card)
    except Exception:  # whatever it raises is raised again where the codec is decoded
        return False
    return getattr(adapter, "decode_elsewhere", None) is not CodecBase.decode_elsewhere


def _decode_all(card: CodecCard, payloads: Sequence[bytes], folder: Path) -> None:
    with suppress(OSError, AssertionError):
        linux.control(_END_WITH_PARENT, int(signal.SIGKILL))
    os.environ.update(INSTRUCTION_SETS[older_instructions()])
    for place, payload in enumerate(payloads):
        try:
            found = build_codec(card).decode_elsewhere(payload)
            if found is None:
                continue
            with (folder / f"{place}.new").open("wb") as file:
                for frame in found.frames():
                    np.save(file, frame)
            (folder / f"{place}.new").rename(folder / f"{place}.frames")
        except Exception as error:  # whatever a decoder raises is what is found
            words = " ".join(f"{type(error).__name__}: {error}".split())
            (folder / f"{place}.error").write_text(words, encoding="utf-8")


def _found(folder: Path, place: int) -> Elsewhere:
    frames, error = folder / f"{place}.frames", folder / f"{place}.error"
    if error.is_file():
        return Elsewhere(error=error.read_text(encoding="utf-8"))
    return Elsewhere(frames=frames) if frames.is_file() else Elsewhere()
