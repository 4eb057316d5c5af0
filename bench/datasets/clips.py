"""Clips that are folders of numbered pictures, and data sets of clips by a card that lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from bench.cards import DatasetCard
from bench.cards.toml import label
from bench.datasets import container
from bench.datasets.base import DataOptions, Item
from bench.datasets.clip_names import read_name
from bench.datasets.locate import cure, locate, read_list
from bench.datasets.pictures import decode_picture, header_layout
from bench.datasets.rawvideo import RawFile, Y4mFile, check_format, raw_size
from bench.datasets.sources import NO_RATE, Clips, Refusal, Source, frame_gap, natural_key
from bench.datasets.zipped import File, files_of, zip_members
from bench.errors import CardError, DataError, near_matches
from bench.signals import Frame, Layout

Read = TypeVar("Read")
Place = File | tuple[File, ...]
"""A file, or the pictures of a clip in their order."""


@dataclass(frozen=True, slots=True)
class PictureClip:
    """Frames in the order of ``paths``, all of one size and kind."""

    paths: tuple[File, ...]
    fps: Fraction | None = None

    def layout(self) -> Layout:
        if gap := frame_gap(self.paths):
            raise Refusal(f"{gap}; put it back or rename the frames")
        first: Layout | None = None
        for path in self.paths:
            one = _named(path, partial(header_layout, deep=True))
            first = first or one
            if one != first:
                raise Refusal(
                    f"frame {path.name} is {one.width}×{one.height} {one.format}, "
                    f"{self.paths[0].name} {first.width}×{first.height} {first.format}; "
                    "all frames of a clip must be alike"
                )
        if first is None:
            raise Refusal("has no frames")
        return replace(first, media="video", frames=len(self.paths), fps=self.fps or Fraction(25))

    def facts(self) -> tuple[str, ...]:
        return () if self.fps else (NO_RATE,)

    def digest(self) -> str:
        digest = sha256()
        for path in self.paths:
            digest.update(sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def places(self) -> tuple[Path, ...]:
        return files_of(self.paths)

    def frames(self) -> Iterator[Frame]:
        for path in self.paths:
            yield _named(path, partial(decode_picture, deep=True))


def _named(path: File, read: Callable[[bytes, str], Read]) -> Read:
    """``read`` of a frame's file, its name in front of what is wrong with it."""
    try:
        return read(path.read_bytes(), path.suffix)
    except Refusal as refusal:
        raise Refusal(f"frame {path.name}: {refusal}") from refusal


@dataclass(frozen=True, slots=True)
class ListedClip:
    """A clip as its card describes it; None is not said. ``names`` are those that files of it bear,
    before what else a file's name says."""

    name: str
    names: tuple[str, ...]
    size: tuple[int, int] | None
    fps: Fraction | None
    frames: int | None
    group: str

    def is_named(self, stem: str) -> bool:
        word = stem.lower()
        return any(
            word.startswith(name) and not word[len(name) : len(name) + 1].isalnum()
            for name in map(str.lower, self.names)
        )


class ClipFolder(Clips):
    """The clips that a card lists in ``settings.clips``, as far as they are at hand, in the layouts
    that people keep them in: raw video, Y4M, a folder of PNG frames each, zip files of either, or
    containers; in the card's folder or one below.

    ``settings``: ``clips``, a list of tables of ``name`` and, each also for all clips at once,
    ``size``, ``fps``, ``frames``, ``group``, ``names`` (other names of its files); ``format`` of
    raw video whose name does not say it.
    """

    settings_known = tuple("clips name names fps frames size format group".split())

    def __init__(
        self, card: DatasetCard, settings: dict[str, object], options: DataOptions
    ) -> None:
        listed = _chosen(card, _listed_clips(card, settings), options)
        where = locate(
            card, options, lambda path: bool(_candidates(path, listed) or _packed(path, listed))
        )
        found = _candidates(where, listed)
        format_ = check_format(None if "format" not in settings else str(settings["format"]))
        missing = [clip for clip in listed if clip.name not in found]
        packed = [f"unpack first: {', '.join(names)}"] if (names := _packed(where, missing)) else []
        if not found:
            raise DataError(f"{where}: {packed[0]}")
        listed = [clip for clip in listed if clip.name in found][: options.limit]
        sources = {clip.name: _source(found[clip.name], clip, format_) for clip in listed}
        named = ", ".join(clip.name for clip in missing)
        notes = [f"not at hand: {named}; {cure(card)}"] if missing else []
        notes += packed
        by_name = {clip.name: clip for clip in listed}
        super().__init__(sources, where, notes, lambda item: _as_listed(item, by_name[item.name]))
        self.note(*_short(self._items, by_name))


def _listed_clips(card: DatasetCard, settings: Mapping[str, object]) -> list[ListedClip]:
    tables = settings.get("clips")
    where = f"{label(card.path)}: settings.clips"
    if not isinstance(tables, list) or not tables:
        raise CardError(f'{where} lists nothing; give [{{ name = "Beauty", fps = 120 }}]')
    return [_listed_clip(where, {**settings, **table}) for table in tables]


def _listed_clip(where: str, facts: Mapping[str, object]) -> ListedClip:
    for key in facts:
        if key not in ClipFolder.settings_known:
            known = near_matches(key, ClipFolder.settings_known)
            raise CardError(f"{where}: unknown key {key!r}; {known}")
    name, fps, frames = facts.get("name"), facts.get("fps"), facts.get("frames")
    if not isinstance(name, str) or not name:
        raise CardError(f"{where}: a clip without a name; give name")
    try:
        rate = None if fps is None else Fraction(str(fps))
        count = None if frames is None else int(str(frames))
        size = raw_size(None if "size" not in facts else str(facts["size"]))
    except (ValueError, ZeroDivisionError, DataError) as error:
        raise CardError(f"{where}: {name}: {error}") from error
    others = facts.get("names", ())
    names = (name, *map(str, others if isinstance(others, list) else ()))
    return ListedClip(name, names, size, rate, count, str(facts.get("group", "")))


def _chosen(card: DatasetCard, listed: list[ListedClip], options: DataOptions) -> list[ListedClip]:
    """Those that ``--list`` names."""
    if options.listing is not None:
        wanted = read_list(options.listing)
        known = {clip.name for clip in listed}
        if unknown := [name for name in wanted if name not in known]:
            raise DataError(f"{options.listing}: {card.id} has no clip {unknown[0]!r}")
        listed = [clip for clip in listed if clip.name in wanted]
    return listed


def _candidates(folder: Path, listed: Sequence[ListedClip]) -> dict[str, list[Place]]:
    """By clip the files, or the folders of pictures, that bear its name, raw video first."""
    if not folder.is_dir():
        return {}
    found: dict[str, list[Place]] = {}
    for place in sorted((*folder.glob("*"), *folder.glob("*/*")), key=_preference):
        for clip in listed:
            if clip.is_named(place.stem if place.is_file() else place.name):
                found.setdefault(clip.name, []).extend(_places_in(place))
    return {name: places for name, places in found.items() if places}


def _packed(folder: Path, listed: Sequence[ListedClip]) -> list[str]:
    """The archives that bear the name of a clip and are not looked into."""
    files = sorted((*folder.glob("*"), *folder.glob("*/*"))) if folder.is_dir() else ()
    return [
        file.name for file in files
        if file.suffix.lower() in _ARCHIVES and any(clip.is_named(file.stem) for clip in listed)
    ]  # fmt: skip


_ARCHIVES = (".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")
_ORDER = (".yuv", ".y4m", "", ".zip", *container.SUFFIXES)


def _preference(path: Path) -> tuple[int, str]:
    kind = path.suffix.lower() if path.is_file() else ""
    return (_ORDER.index(kind) if kind in _ORDER else len(_ORDER), str(path))


def _places_in(path: Path) -> list[Place]:
    """The file, the pictures of a folder in order, or what a zip file holds of either."""
    if path.is_dir():
        pictures = [one for one in path.iterdir() if one.suffix.lower() == ".png"]
        return [tuple(sorted(pictures, key=natural_key))] if pictures else []
    if path.suffix.lower() == ".zip":
        members = zip_members(path)
        frames = [one for one in members if one.suffix.lower() == ".png"]
        videos = [one for one in members if one.suffix.lower() in (".yuv", ".y4m")]
        return [*videos, *([tuple(sorted(frames, key=natural_key))] if frames else [])]
    return [path] if path.suffix.lower() in _ORDER else []


def _source(places: Sequence[Place], clip: ListedClip, format_: str | None) -> Source:
    """The first that has the clip's size, else the first."""
    sources = [_source_of(place, clip, format_) for place in places]
    for source in sources[1:] and sources:
        try:
            layout = source.layout()
        except (Refusal, OSError):
            continue
        if clip.size in (None, (layout.width, layout.height)):
            return source
    return sources[0]


def _source_of(place: Place, clip: ListedClip, format_: str | None) -> Source:
    if isinstance(place, tuple):
        return PictureClip(place, clip.fps)
    suffix = place.suffix.lower()
    if suffix == ".y4m":
        return Y4mFile(place)
    if suffix in container.SUFFIXES and isinstance(place, Path):
        return container.ContainerFile(place)
    said = read_name(place.stem)
    size = said.size or clip.size
    return RawFile(place, size, said.said_format or format_, said.fps or clip.fps)


def _as_listed(item: Item, clip: ListedClip) -> Item:
    """With the clip's group; of another size than its card says it has a problem."""
    layout = item.layout
    if layout is None or clip.size in (None, (layout.width, layout.height)):
        return replace(item, group=clip.group)
    assert clip.size is not None
    problem = (
        f"{item.name}: {layout.width}×{layout.height}, where the set has "
        f"{clip.size[0]}×{clip.size[1]}; get the original"
    )
    return replace(item, layout=None, problem=problem, group=clip.group)


def _short(items: Sequence[Item], listed: Mapping[str, ListedClip]) -> Iterator[str]:
    """What of a clip is not at hand, or is not as its set has it."""
    for item in items:
        if item.layout is None:
            continue
        said = listed[item.name].frames
        if said is not None and item.layout.frames != said:
            yield f"{item.name}: {item.layout.frames} frames at hand, the set has {said}"
        rate = listed[item.name].fps
        if rate not in (None, item.layout.fps):
            yield f"{item.name}: {item.layout.fps} frames a second at hand, the set has {rate}"
        if item.layout.samples == "rgb":
            yield f"{item.name}: read as RGB pictures, whoever made them of the set's YUV"
