"""Vimeo-90k septuplets by the official lists, from the official folder layout or its zip file.

Reads pictures where they lie: 80 GB are neither unpacked nor copied.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image

from bench.cards import DatasetCard
from bench.cards.toml import label
from bench.datasets.base import DataOptions, Item
from bench.datasets.images import centre
from bench.datasets.locate import locate, read_list
from bench.datasets.pictures import decode_picture, header_layout
from bench.datasets.sources import Refusal, remembered
from bench.datasets.zipped import ZipMember, zip_entries
from bench.errors import DataError
from bench.signals import RGB, Frame, Layout, Media, Signal

FRAMES = 7
WIDTH, HEIGHT = 448, 256
TEST_LIST, TRAIN_LIST = OFFICIAL_LISTS = "sep_testlist.txt", "sep_trainlist.txt"
_TAIL_BYTES = 64
_LOCAL_HEADER = struct.Struct("<26xHH")
_PICTURE_BYTES = 2**21
"""Six times the samples of a picture: what packs or unpacks to more is none of the set."""
_LIST_BYTES = 2**22
"""Six times the official training list."""


class FolderStore:
    """The unpacked layout: ``sequences/00001/0266/im1.png`` and the lists. Picklable, and cheap to
    open in a worker, as every store is."""

    def __init__(self, where: Path) -> None:
        self.where = where

    def listing(self, name: str) -> list[str] | None:
        """The clips of an official list, or None if it is not there."""
        path = self.where / name
        return read_list(path) if path.is_file() else None

    def has(self, names: Sequence[str]) -> bool:
        """Whether all these pictures (``00001/0266/im1.png``) are there."""
        return all(self._path(name).is_file() for name in names)

    def keep(self, names: Sequence[str]) -> None:
        """Tells the store which pictures will be asked for, before it is sent to workers."""

    def stamp(self, name: str) -> bytes:
        """What changes with a picture's content, read without reading it all: size and last bytes.
        A PNG ends with the Adler-32 of its samples and a CRC-32."""
        path = self._path(name)
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            return f"{size} ".encode() + file.read()

    def read(self, name: str) -> bytes:
        """The PNG file of a picture."""
        return self._path(name).read_bytes()

    def _path(self, name: str) -> Path:
        return self.where / "sequences" / name


@dataclass(frozen=True, slots=True)
class _Member:
    offset: int
    packed_bytes: int
    method: int
    crc: int


class ZipStore:
    """The official archive. Its directory of half a million names is read once; what is kept are
    the places of the pictures that are used."""

    def __init__(self, where: Path) -> None:
        self.where = where
        entries = zip_entries(where)
        self._lists = {
            name: self._list(entry)
            for entry in entries
            for name in OFFICIAL_LISTS
            if entry.filename.rpartition("/")[2] == name
        }
        self._members = {
            entry.filename.rpartition("sequences/")[2]: _Member(
                entry.header_offset, entry.compress_size, entry.compress_type, entry.CRC
            )
            for entry in entries
            if "sequences/" in entry.filename and entry.filename.endswith(".png")
        }

    def _list(self, entry: zipfile.ZipInfo) -> list[str]:
        try:
            if entry.file_size > _LIST_BYTES:
                raise OSError(0, f"unpacks to {entry.file_size:,} bytes, more than any list has")
            member = ZipMember(self.where, entry.filename, entry.file_size, entry.CRC)
            return member.read_bytes().decode(errors="replace").split()
        except OSError as error:
            raise DataError(
                f"{self.where}: {entry.filename} cannot be read: {error.strerror}; fetch it again"
            ) from error

    def listing(self, name: str) -> list[str] | None:
        return self._lists.get(name)

    def has(self, names: Sequence[str]) -> bool:
        return all(name in self._members for name in names)

    def keep(self, names: Sequence[str]) -> None:
        self._members = {name: self._members[name] for name in names}

    def stamp(self, name: str) -> bytes:
        member = self._members[name]
        return f"{member.packed_bytes} {member.crc}".encode()

    def read(self, name: str) -> bytes:
        member = self._members[name]
        if member.packed_bytes > _PICTURE_BYTES:
            raise Refusal(f"{member.packed_bytes:,} bytes in {self.where.name}: no such picture")
        try:
            with self.where.open("rb") as file:
                file.seek(member.offset)
                lengths = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
                file.seek(sum(lengths), 1)
                content = file.read(member.packed_bytes)
            if member.method == zipfile.ZIP_DEFLATED:
                unpacked = zlib.decompressobj(-zlib.MAX_WBITS)
                content = unpacked.decompress(content, _PICTURE_BYTES)
                if unpacked.unconsumed_tail:
                    raise Refusal(f"too large a picture in {self.where.name}")
        except (zlib.error, struct.error, OverflowError) as error:
            raise Refusal(f"corrupt in {self.where.name}: {error}") from error
        if zlib.crc32(content) != member.crc:
            raise Refusal(f"corrupt in {self.where.name}: wrong CRC")
        return content


class Vimeo90k:
    """Clips that ``--list`` names, else the suite, else the official test list, as far as they are
    at hand. ``--list sep_testlist.txt`` is the official list, also where it lies in the archive.

    ``settings``: ``clips`` (names such as ``00002/0001``), ``frames`` (1: an image suite of first
    frames), ``crop`` (side of a centre crop), ``resize`` (side of the square that whole frames are
    resized to with Pillow's Lanczos filter, as the papers on 96×96 clips do, which ignores the
    aspect ratio).
    """

    settings_known = tuple("clips frames crop resize".split())

    def __init__(
        self, card: DatasetCard, settings: dict[str, object], options: DataOptions
    ) -> None:
        self._frames = int(str(settings.get("frames", FRAMES)))
        self._crop = int(str(settings.get("crop", 0)))
        self._resize = int(str(settings.get("resize", 0)))
        self._store = _open_store(locate(card, options, _holds_vimeo))
        listed = self._listed(card, settings.get("clips"), options)
        present = [clip for clip in listed if self._store.has(self._names(clip))]
        if not present:
            raise DataError(
                f"{self._store.where}: none of the {len(listed)} clips of {self._list_name} is "
                "complete there; name clips that are with --list FILE"
            )
        self._note = self._summary(listed, present)
        self._clips = tuple(present[: options.limit])
        self._store.keep([name for clip in self._clips for name in self._names(clip)])

    def _listed(self, card: DatasetCard, clips: object, options: DataOptions) -> list[str]:
        self._list_name, listed = self._chosen(card, clips, options)
        if wrong := [one for one in listed if len(Path(one).parts) != 2 or ".." in one]:
            raise DataError(f"{self._list_name}: {wrong[0]!r} is no clip such as 00001/0266")
        return listed

    def _chosen(
        self, card: DatasetCard, clips: object, options: DataOptions
    ) -> tuple[str, list[str]]:
        """The list of clips and what it is called."""
        if options.listing is None and clips is not None:
            return label(card.path), named_clips(card, clips)
        given = options.listing or Path(TEST_LIST)
        if options.listing is not None and (given.is_file() or given.name not in OFFICIAL_LISTS):
            return given.name, read_list(given)
        listed = self._store.listing(given.name)
        if listed is None:
            raise DataError(
                f"{self._store.where}: has no {given.name}; put it back from the official archive "
                "or name clips with --list FILE"
            )
        return given.name, listed

    def _names(self, clip: str) -> list[str]:
        return [f"{clip}/im{number}.png" for number in range(1, self._frames + 1)]

    def _summary(self, listed: list[str], present: list[str]) -> str:
        said = f"{len(present):,} of the {len(listed):,} clips of {self._list_name} are at hand"
        test, train = self._store.listing(TEST_LIST), self._store.listing(TRAIN_LIST)
        if self._list_name == TEST_LIST or test is None or train is None:
            return said
        tested, trained = len({*test} & {*present}), len({*train} & {*present})
        return f"{said}; {tested} are on the official test list, {trained} on the training list"

    def items(self) -> Sequence[Item]:
        return tuple(self._item(clip) for clip in self._clips)

    def _item(self, clip: str) -> Item:
        digest = sha256(f"{self._crop} {self._resize} ".encode())
        for name in self._names(clip):
            digest.update(self._store.stamp(name))
        media: Media = "image" if self._frames == 1 else "video"
        width, height = WIDTH, HEIGHT
        if side := self._resize or self._crop:
            width = height = side
        layout = Layout(media, RGB, width, height, self._frames)
        # the clips of a folder were cut from one video
        return Item(clip, digest.hexdigest(), layout, group=clip.partition("/")[0])

    def places(self) -> tuple[Path, ...]:
        return (self._store.where,)

    def load(self, item: Item) -> Signal:
        assert item.layout is not None
        names = self._names(item.name)
        return remembered(Signal(item.layout, lambda: (self._picture(name) for name in names)))

    def _picture(self, name: str) -> Frame:
        try:
            content = self._store.read(name)
            layout = header_layout(content, ".png")
            if (layout.width, layout.height, layout.format) != (WIDTH, HEIGHT, RGB):
                raise Refusal(
                    f"{layout.width}×{layout.height} pixels, {layout.format}, not the "
                    f"{WIDTH}×{HEIGHT} RGB of Vimeo-90k"
                )
            pixels = decode_picture(content, ".png")
        except Refusal as refusal:
            raise DataError(f"{self._store.where}: {name}: {refusal}") from refusal
        except OSError as error:
            raise DataError(
                f"{self._store.where}: {name} cannot be read: {error.strerror}; put it back"
            ) from error
        if self._crop:
            return centre(pixels, self._crop)
        if self._resize:
            size = (self._resize, self._resize)
            return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
        return pixels

    def notes(self) -> tuple[str, ...]:
        kind = "the zip file" if isinstance(self._store, ZipStore) else "the folder layout"
        return (f"{self._note}, read from {kind}; {len(self._clips):,} are used",)


def named_clips(card: DatasetCard, clips: object) -> list[str]:
    """The ``clips`` of a card's settings. Raises DataError where they are no list of names."""
    if not isinstance(clips, list) or not clips or not all(isinstance(one, str) for one in clips):
        raise DataError(
            f'{label(card.path)}: settings.clips is {clips!r}; give a list such as ["00001/0266"]'
        )
    return list(clips)


def _holds_vimeo(path: Path) -> bool:
    return zipfile.is_zipfile(path) if path.is_file() else (path / "sequences").is_dir()


def _open_store(path: Path) -> FolderStore | ZipStore:
    return ZipStore(path) if path.is_file() else FolderStore(path)
