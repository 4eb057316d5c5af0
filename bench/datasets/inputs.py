"""The user's own pictures and clips: what ``--input`` names, told apart and opened.

Decides what a path is; the formats are read by the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from bench.datasets import container
from bench.datasets.base import DataOptions, Loader
from bench.datasets.clips import PictureClip
from bench.datasets.container import ContainerFile
from bench.datasets.images import PictureFiles
from bench.datasets.locate import read_list
from bench.datasets.pictures import REFUSED_SUFFIXES, SUFFIXES
from bench.datasets.rawvideo import RawFile, Y4mFile, check_format, raw_size
from bench.datasets.sources import Clips, Source, item_names, natural_key, safe_name
from bench.errors import DataError
from bench.signals import Media

_RAW_SUFFIXES = (".yuv", ".raw", ".rgb", ".gray")
_Y4M = ".y4m"
_VIDEO_SUFFIXES = (_Y4M, *_RAW_SUFFIXES, *container.SUFFIXES)
_PICTURES = (*SUFFIXES, *REFUSED_SUFFIXES)
_KINDS = (
    f"pictures ({', '.join(SUFFIXES)}), {_Y4M}, raw video ({', '.join(_RAW_SUFFIXES)}) or "
    f"{', '.join(container.SUFFIXES)}; {', '.join(REFUSED_SUFFIXES)} are named and not measured"
)
_NAMED = 12


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the command line says that files without a header are to be read."""

    size: tuple[int, int] | None
    pixel_format: str | None
    fps: Fraction | None


def input_loader(
    path: Path,
    *,
    size: str | None = None,
    pixel_format: str | None = None,
    fps: str | None = None,
    as_video: bool = False,
    options: DataOptions | None = None,
) -> tuple[Media, Loader]:
    """What kind of media ``path`` holds and its loader.

    A picture file or a folder of them is still images, or one clip with ``as_video``; a folder of
    folders of pictures is one clip each, or still images where each of them holds one picture; a
    video file or a folder of them is clips. ``size`` (``416x240``), ``pixel_format`` and ``fps``
    describe raw video, ``fps`` picture clips as well. ``options.listing`` names items, one a line.
    What is left out is a note of the loader. Raises DataError for anything else.
    """
    options = options or DataOptions()
    reading = _Reading(raw_size(size), check_format(pixel_format), _rate(fps))
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    found = _Found([path]) if path.is_file() else _look(path)
    _refuse_idle_options(path, found.videos, reading)
    if found.videos and found.pictures:
        raise DataError(
            f"{path}: holds pictures ({found.pictures[0].name}) and clips "
            f"({found.videos[0].name}); put them into two folders"
        )
    if found.pictures and not as_video:
        return "image", _stills(path, found.pictures, found.notes(path), options)
    if found.pictures:
        name = item_names([path], path.parent)[0]
        clip = PictureClip(tuple(found.pictures), reading.fps)
        return "video", Clips({name: clip}, path, found.notes(path))
    if found.videos:
        names = item_names(found.videos, path if path.is_dir() else path.parent)
        chosen = [(names[i], found.videos[i]) for i in _chosen(names, found.videos, path, options)]
        sources = {name: _video(file, reading) for name, file in chosen}
        return "video", Clips(sources, path, found.notes(path))
    return _folders(path, found, reading, as_video, options)


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies in a folder."""

    files: list[Path]
    folders: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    @property
    def pictures(self) -> list[Path]:
        return [file for file in self.files if file.suffix.lower() in _PICTURES]

    @property
    def videos(self) -> list[Path]:
        return [file for file in self.files if file.suffix.lower() in _VIDEO_SUFFIXES]

    def notes(self, where: Path, used: Sequence[Path] = ()) -> tuple[str, ...]:
        """Names what is neither picture nor video nor one of the folders ``used``, if anything."""
        known = {*self.pictures, *self.videos, *used}
        left = sorted(({*self.files, *self.folders, *self.others} - known), key=natural_key)
        folders = {*self.folders}
        names = [f"{safe_name(one.name)}{'/' if one in folders else ''}" for one in left]
        if not names:
            return ()
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        folder = safe_name(where.resolve().name)
        return (f"left out of {folder}: {', '.join(names[:_NAMED])}{more}",)


def _look(folder: Path) -> _Found:
    """What a folder holds; a link to nothing counts as the file that it is named as."""
    try:
        held = sorted(folder.iterdir(), key=natural_key)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
    shown = [one for one in held if not one.name.startswith(".")]
    files = [one for one in shown if one.is_file() or (one.is_symlink() and not one.exists())]
    folders = [one for one in shown if one.is_dir()]
    return _Found(files, folders, [one for one in held if one not in {*files, *folders}])


def _stills(
    path: Path, files: Sequence[Path], notes: tuple[str, ...], options: DataOptions
) -> Loader:
    base = path.parent if path.is_file() else path
    names = item_names(files, base)
    places = _chosen(names, files, path, options)
    chosen = [files[place] for place in places]
    loader = PictureFiles(chosen, base, [names[place] for place in places], notes)
    layouts = [item.layout for item in loader.items()]
    if len(layouts) > 1 and _looks_like_a_clip(chosen) and len(set(layouts)) == 1:
        loader.note(
            f"{len(layouts)} numbered pictures of one size were measured as still images; "
            "--as-video takes them as the frames of one clip"
        )
    return loader


def _looks_like_a_clip(files: Sequence[Path]) -> bool:
    numbers = ["".join(filter(str.isdecimal, file.stem[-6:])) for file in files]
    return all(numbers) and int(numbers[-1]) - int(numbers[0]) == len(files) - 1


def _refuse_idle_options(path: Path, videos: list[Path], reading: _Reading) -> None:
    """Raises DataError where ``--size``, ``--format`` or ``--fps`` would be passed over in
    silence."""
    raw = any(file.suffix.lower() in _RAW_SUFFIXES for file in videos)
    if not raw and (reading.size is not None or reading.pixel_format is not None):
        raise DataError(
            f"{path}: --size and --format are for raw video ({', '.join(_RAW_SUFFIXES)}); "
            "leave them out, nothing is rescaled"
        )
    if videos and not raw and reading.fps is not None:
        raise DataError(
            f"{path}: --fps is for raw video and folders of pictures; leave it out, these files "
            "say their own rate"
        )


def _video(file: Path, reading: _Reading) -> Source:
    suffix = file.suffix.lower()
    if suffix == _Y4M:
        return Y4mFile(file)
    if suffix in _RAW_SUFFIXES:
        return RawFile(file, reading.size, reading.pixel_format, reading.fps)
    return ContainerFile(file)


def _folders(
    path: Path, found: _Found, reading: _Reading, as_video: bool, options: DataOptions
) -> tuple[Media, Loader]:
    """Folders of pictures: a clip each, or still images where each holds one."""
    if path.is_file():
        raise DataError(f"{path}: not a kind that can be read; give {_KINDS}")
    inside = {folder: _look(folder) for folder in found.folders}
    inside = {folder: one for folder, one in inside.items() if one.pictures}
    if not inside:
        raise DataError(f"{path}: holds nothing that can be measured; give {_KINDS}")
    notes = found.notes(path, list(inside))
    for folder, one in inside.items():
        notes += one.notes(folder, one.videos)
    if not as_video and all(len(one.pictures) == 1 for one in inside.values()):
        note = "folders of one picture each were measured as still images; --as-video takes clips"
        files = [one.pictures[0] for one in inside.values()]
        return "image", _stills(path, files, (*notes, note), options)
    names = [safe_name(folder.name) for folder in inside]
    clips = [PictureClip(tuple(one.pictures), reading.fps) for one in inside.values()]
    if short := [name for name, clip in zip(names, clips, strict=True) if len(clip.paths) == 1]:
        notes += (f"clips of one frame: {', '.join(short[:_NAMED])}",)
    places = _chosen(names, list(inside), path, options)
    return "video", Clips({names[place]: clips[place] for place in places}, path, notes)


def _chosen(
    names: Sequence[str], paths: Sequence[Path], where: Path, options: DataOptions
) -> list[int]:
    """The places of the items that ``--list`` names, each of which must be there, and ``--limit``
    leaves; a list may name items, files, or files without suffix."""
    places = list(range(len(names)))
    if options.listing is not None:
        known: dict[str, set[int]] = {}
        for place, (name, path) in enumerate(zip(names, paths, strict=True)):
            for word in (name, safe_name(path.name), safe_name(path.stem)):
                known.setdefault(word, set()).add(place)
        wanted = [safe_name(line) for line in read_list(options.listing)]
        missing = [name for name in wanted if name not in known]
        if missing:
            more = f" and {len(missing) - 1} more are" if len(missing) > 1 else " is"
            raise DataError(
                f"{options.listing}: {missing[0]!r}{more} not in {where}; "
                f"it holds {', '.join(names[:3])}, …"
            )
        places = sorted({place for name in wanted for place in known[name]})
    return places[: options.limit]


def _rate(text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        rate = Fraction(text.replace(":", "/"))
    except (ValueError, ZeroDivisionError) as error:
        raise DataError(f"--fps {text!r} is no frame rate; give 25 or 30000/1001") from error
    if not 0 < rate <= 1000:
        raise DataError(f"--fps {text} is outside 0–1000")
    return rate
