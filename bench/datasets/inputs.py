"""The user's own pictures and clips: what ``--input`` names, told apart and opened.

Decides what a path is; the formats are read by the modules beside this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from bench.cards.files import read_text
from bench.datasets import container
from bench.datasets.base import DataOptions, Item, Loader
from bench.datasets.clips import PictureClip
from bench.datasets.container import ContainerFile
from bench.datasets.images import PictureFiles
from bench.datasets.pictures import REFUSED_SUFFIXES, SUFFIXES
from bench.datasets.rawvideo import RawFile, Y4mFile, raw_template
from bench.datasets.sources import Clips, Source, natural_key
from bench.errors import DataError
from bench.signals import Media, Signal

_RAW_SUFFIXES = (".yuv", ".raw", ".rgb", ".gray")
_Y4M = ".y4m"
_VIDEO_SUFFIXES = (_Y4M, *_RAW_SUFFIXES, *container.SUFFIXES)
_PICTURES = (*SUFFIXES, *REFUSED_SUFFIXES)
_KINDS = (
    f"pictures ({', '.join(SUFFIXES)}), {_Y4M}, raw video ({', '.join(_RAW_SUFFIXES)}) or "
    f"{', '.join(container.SUFFIXES)}"
)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the command line says that files without a header are to be read."""

    size: str | None
    pixel_format: str | None
    fps: Fraction


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
    folders of pictures is one clip each; a video file or a folder of them is clips. ``size``
    (``416x240``), ``pixel_format`` and ``fps`` describe raw video, ``fps`` picture clips as well.
    ``options.listing`` names items, one a line. Raises DataError for anything else.
    """
    options = options or DataOptions()
    reading = _Reading(size, pixel_format, _rate(fps))
    if not path.exists():
        raise DataError(f"--input {path}: no such file or folder")
    files = [path] if path.is_file() else _files(path)
    videos = [file for file in files if file.suffix.lower() in _VIDEO_SUFFIXES]
    pictures = [file for file in files if file.suffix.lower() in _PICTURES]
    _refuse_idle_options(path, videos, reading)
    if videos and pictures:
        raise DataError(
            f"--input {path}: holds pictures ({pictures[0].name}) and clips ({videos[0].name}); "
            "put them into two folders"
        )
    if pictures and not as_video:
        return "image", _pictures(path, pictures, options)
    if pictures:
        found: dict[str, Source] = {path.resolve().stem: PictureClip(tuple(pictures), reading.fps)}
    elif videos:
        found = _videos(videos, reading)
    else:
        found = _folders(path, reading)
    return "video", Clips(_chosen(path, found, options), path)


class _NotedPictures:
    """Still pictures with a note of their own."""

    def __init__(self, pictures: PictureFiles, note: str) -> None:
        self._pictures = pictures
        self._note = note

    def items(self) -> tuple[Item, ...]:
        return tuple(self._pictures.items())

    def load(self, item: Item) -> Signal:
        return self._pictures.load(item)

    def places(self) -> tuple[Path, ...]:
        return self._pictures.places()

    def notes(self) -> tuple[str, ...]:
        return (*self._pictures.notes(), self._note)


def _pictures(path: Path, files: list[Path], options: DataOptions) -> Loader:
    base = path.parent if path.is_file() else path
    wanted = _listed(path, [file.stem for file in files], options)
    chosen = [file for file in files if wanted is None or file.stem in wanted]
    loader = PictureFiles(chosen, base, limit=options.limit)
    layouts = [item.layout for item in loader.items()]
    if len(layouts) > 1 and _looks_like_a_clip(chosen) and len(set(layouts)) == 1:
        note = (
            f"{len(layouts)} numbered pictures of one size were measured as still images; "
            "--as-video takes them as the frames of one clip"
        )
        return _NotedPictures(loader, note)
    return loader


def _looks_like_a_clip(files: list[Path]) -> bool:
    numbers = ["".join(filter(str.isdigit, file.stem[-6:])) for file in files]
    return all(numbers) and int(numbers[-1]) - int(numbers[0]) == len(files) - 1


def _refuse_idle_options(path: Path, videos: list[Path], reading: _Reading) -> None:
    """Raises DataError where ``--size`` or ``--format`` would be passed over in silence."""
    raw = any(file.suffix.lower() in _RAW_SUFFIXES for file in videos)
    if not raw and (reading.size is not None or reading.pixel_format is not None):
        raise DataError(
            f"--input {path}: --size and --format are for raw video ({', '.join(_RAW_SUFFIXES)}); "
            "leave them out, nothing is rescaled"
        )


def _videos(files: list[Path], reading: _Reading) -> dict[str, Source]:
    stems = [file.stem for file in files]
    names = stems if len(set(stems)) == len(stems) else [file.name for file in files]
    return {name: _video(file, reading) for name, file in zip(names, files, strict=True)}


def _video(file: Path, reading: _Reading) -> Source:
    suffix = file.suffix.lower()
    if suffix == _Y4M:
        return Y4mFile(file)
    if suffix in _RAW_SUFFIXES:
        return RawFile(file, raw_template(reading.size, reading.pixel_format, reading.fps))
    return ContainerFile(file)


def _folders(path: Path, reading: _Reading) -> dict[str, Source]:
    if path.is_file():
        raise DataError(f"--input {path}: not a kind that can be read; give {_KINDS}")
    found: dict[str, Source] = {}
    for folder in sorted((one for one in path.iterdir() if one.is_dir()), key=natural_key):
        frames = [file for file in _files(folder) if file.suffix.lower() in _PICTURES]
        if frames:
            found[folder.name] = PictureClip(tuple(frames), reading.fps)
    if not found:
        raise DataError(f"--input {path}: holds nothing that can be measured; give {_KINDS}")
    return found


def _files(folder: Path) -> list[Path]:
    try:
        files = [path for path in folder.iterdir() if path.is_file()]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
    return sorted((path for path in files if not path.name.startswith(".")), key=natural_key)


def _chosen(path: Path, found: dict[str, Source], options: DataOptions) -> dict[str, Source]:
    wanted = _listed(path, list(found), options)
    names = [name for name in found if wanted is None or name in wanted]
    return {name: found[name] for name in names[: options.limit]}


def _listed(path: Path, names: list[str], options: DataOptions) -> set[str] | None:
    """The names of ``--list``, each of which must be there; None without a list."""
    if options.listing is None:
        return None
    wanted = read_list(options.listing)
    missing = [name for name in wanted if name not in names]
    if missing:
        raise DataError(
            f"{options.listing}: {missing[0]!r} and {len(missing) - 1} more are not in {path}; "
            f"it holds {', '.join(names[:3])}, …"
        )
    return set(wanted)


def read_list(path: Path) -> list[str]:
    """The names in a list file, one a line, blank lines left out. Raises DataError if it cannot be
    read or names nothing."""
    try:
        names = [line.strip() for line in read_text(path).splitlines()]
    except (OSError, ValueError) as error:
        raise DataError(f"--list {path}: cannot be read: {error}") from error
    names = [name for name in names if name]
    if not names:
        raise DataError(f"--list {path}: names nothing; write one name a line")
    return names


def _rate(text: str | None) -> Fraction:
    if text is None:
        return Fraction(25)
    try:
        rate = Fraction(text.replace(":", "/"))
    except (ValueError, ZeroDivisionError) as error:
        raise DataError(f"--fps {text!r} is no frame rate; give 25 or 30000/1001") from error
    if not 0 < rate <= 1000:
        raise DataError(f"--fps {text} is outside 0–1000")
    return rate
