"""Streams and reconstructions that a run keeps, for visual comparison and for later metrics.

The folder ``kept/`` of a results folder holds a payload for each record that is kept, of the items
that are shown also a PNG for each point and of the original, and ``index.json``. For a clip a PNG
shows the middle frame; a WebM beside it plays. Measures nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

from bench.records import Record, Stored
from bench.results.kept_clips import playable
from bench.signals import Layout, Signal

CLIP = ".webm"
Key = tuple[str, str, str]
"""Codec, point and item."""
_LONGEST = 200
"""Characters of a file's name, which with its suffix may have 255."""


@dataclass(frozen=True, slots=True)
class KeptStream:
    """The stream of one task and the pictures beside it, which are PNG files; empty where only the
    stream is kept."""

    item: str
    codec: str
    point: str
    payload: bytes
    original: bytes = b""
    reconstruction: bytes = b""
    original_clip: bytes = b""
    clip: bytes = b""
    """As ``kept_clips.playable`` makes them."""


def make_kept_stream(
    record: Record, payload: bytes, original: Signal, decoded: Signal
) -> KeptStream | None:
    """The kept stream of a measured task; None for vectors, which are no pictures."""
    if original.layout.media == "vector":
        return None
    layout = original.layout
    picture, clip = _shown_original(original)
    return KeptStream(
        record.item, record.codec, record.point, payload, picture, _png(decoded, layout), clip,
        playable(decoded, layout) if layout.media == "video" else b"",
    )  # fmt: skip


@lru_cache(maxsize=2)
def _shown_original(original: Signal) -> tuple[bytes, bytes]:
    """A picture and a clip of it, made once for all points of an item."""
    layout = original.layout
    clip = playable(original, layout) if layout.media == "video" else b""
    return _png(original, layout), clip


class KeptStreams:
    """The ``kept`` folder of a results folder."""

    def __init__(self, out: Path) -> None:
        self.folder = out / "kept"

    def reconstruction(self, codec: str, point: str, item: str) -> Path | None:
        """The PNG of the reconstruction of a task, if it was kept."""
        path = self._path(item, codec, point, ".png")
        return path if path.is_file() else None

    def complete(self, done: Mapping[Key, str], keep: Collection[str]) -> dict[Key, str]:
        """The entries of ``done`` without those of items to ``keep`` whose stream was not kept."""
        return {
            key: mark for key, mark in done.items()
            if key[2] not in keep or self.reconstruction(*key)
        }  # fmt: skip

    def lacking(self, stored: Mapping[Key, Stored]) -> dict[Key, Stored]:
        """Those measurements that have a stream which is not kept, or was damaged since."""
        return {
            key: one for key, one in stored.items()
            if one.bitstream_sha256 and replace(one, kept=self.stream(*key)).kept_stream() is None
        }  # fmt: skip

    def stream(self, codec: str, point: str, item: str) -> Path | None:
        """The path of the stream of a task, if it was kept."""
        path = self._path(item, codec, point, ".bin")
        return path if path.is_file() else None

    def add(self, kept: KeptStream) -> None:
        """Writes the files of one task, and the original if it is not there yet."""
        place = (kept.item, kept.codec, kept.point)
        _write(self._path(*place, ".bin"), kept.payload)
        for suffix, original, shown in (
            (CLIP, kept.original_clip, kept.clip),
            (".png", kept.original, kept.reconstruction),
        ):
            if shown:
                first = self._original(kept.item).with_suffix(suffix)
                if not first.is_file():
                    _write(first, original)
                _write(self._path(*place, suffix), shown)

    def write_index(self, records: Iterable[Record]) -> None:
        """Writes index.json, which lists rate and quality of all kept points, if there are any."""
        if not self.folder.is_dir():
            return
        entries = [
            {
                "item": record.item, "codec": record.codec, "point": record.point,
                "bpp": record.bpp, "psnr_rgb": _finite(record.scores.get("psnr_rgb")),
                "original": self._name(self._original(record.item)),
                "reconstruction": self._name(shown),
            }
            for record in records if record.status == "done"
            and (shown := self.reconstruction(record.codec, record.point, record.item))
        ]  # fmt: skip
        text = json.dumps(entries, indent=1, ensure_ascii=False) + "\n"
        _write(self.folder / "index.json", text.encode())

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _original(self, item: str) -> Path:
        return self.folder / _file_name(item) / "original.png"

    def _path(self, item: str, codec: str, point: str, suffix: str) -> Path:
        folder = self.folder / _file_name(item) / _file_name(codec)
        return folder / f"{_file_name(point)}{suffix}"


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(content)
    temporary.replace(path)


def _file_name(word: str) -> str:
    """A name that every file system allows, different for different words."""
    plain = re.sub(r"[^A-Za-z0-9.=_-]", "_", word).lstrip(".")
    if plain == word and len(plain) <= _LONGEST:
        return plain
    return f"{plain[:_LONGEST]}-{hashlib.sha256(word.encode()).hexdigest()[:6]}"


def _png(signal: Signal, source: Layout) -> bytes:
    """The middle frame as PNG; ``source`` has range and matrix, which decoders do not say."""
    from PIL import Image

    from bench.colour import shown

    frame = next(islice(signal.frames(), signal.layout.frames // 2, None))
    kind = replace(source.format, depth=signal.layout.depth)
    picture = Image.fromarray(shown(frame, replace(source, format=kind)))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
