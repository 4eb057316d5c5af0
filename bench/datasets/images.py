"""Data sets that are folders of still pictures: those a card names, and the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.cards import DatasetCard
from bench.datasets.base import DataOptions, Item, whole_setting
from bench.datasets.locate import cure, locate
from bench.datasets.pictures import SUFFIXES, load_picture, picture_item
from bench.datasets.sources import Files, item_names, natural_key
from bench.errors import DataError
from bench.signals import Signal, image


class PictureFiles(Files):
    """Still pictures by path; the item of ``a/b.png`` under ``base`` is ``a/b``."""

    kind = "pictures"

    def __init__(
        self,
        paths: Sequence[Path],
        base: Path,
        names: Sequence[str] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        names = item_names(paths, base) if names is None else names
        self._paths = dict(zip(names, paths, strict=True))
        super().__init__(_items_of(paths, names), base, notes)

    def load(self, item: Item) -> Signal:
        if item.problem is not None:
            raise DataError(item.problem)
        return image(load_picture(self._paths[item.name], item))

    def places(self) -> tuple[Path, ...]:
        return tuple(self._paths.values())

    def holds(self, item: Item) -> bool:
        """Whether the item's file is here; it is not read."""
        return self._paths[item.name].is_file()


def _items_of(paths: Sequence[Path], names: Sequence[str]) -> tuple[Item, ...]:
    """The items of files: two threads, since reading and hashing of large ones overlap, and of ten
    thousand small ones many at a time."""
    size = max(1, len(paths) // 64)
    starts = range(0, len(paths), size)

    def some(start: int) -> list[Item]:
        part = slice(start, start + size)
        return [picture_item(*pair) for pair in zip(paths[part], names[part], strict=True)]

    with ThreadPoolExecutor(2) as pool:
        return tuple(item for part in pool.map(some, starts) for item in part)


def cropped_item(item: Item, side: int) -> Item:
    """The item of a picture's centre; one with a side below that of the crop has a problem."""
    name = f"{item.name}-{side}"
    layout = item.layout
    if layout is None:
        return replace(item, name=name)
    if min(layout.width, layout.height) < side:
        size = f"{layout.width}x{layout.height}"
        return Item(name, item.digest, None, f"{item.name}: {size}, smaller than a crop of {side}")
    digest = f"{item.digest}, centre {side}"
    return replace(item, name=name, digest=digest, layout=replace(layout, width=side, height=side))


def centre(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The ``side``×``side`` samples in the middle of ``(H, W, …)``, towards the top left where
    the rest is odd."""
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


class ImageFolder(PictureFiles):
    """The pictures that the card lists, found in one folder and equal to the card's checksums. Of a
    card that lists none, those of the folder: as many as its ``items``.

    ``settings.crop`` = n: of each the n×n samples in its centre, the item's name ending in ``-n``.
    Of a card without files: ``names``, the pattern of their names (``p*.png``), ``size``, that of
    all (``1200x1200``), and ``longest``, their longer side.
    """

    settings_known = tuple("crop names size longest".split())

    def __init__(
        self, card: DatasetCard, settings: dict[str, object], options: DataOptions
    ) -> None:
        self.card = card
        self._crop = whole_setting(card, settings, "crop") if settings.get("crop", 0) else 0
        folder = self._folder(options)
        notes: tuple[str, ...] = ()
        if card.files:
            paths = [folder / file.name for file in card.files[: options.limit]]
        else:
            paths, notes = _pictures_in(folder, card)
        super().__init__(paths[: options.limit], folder, notes=notes)
        for item in self._items:
            _check_size(card, item)
        for item, file in zip(self._items, card.files, strict=False):
            if file.sha256 is not None and item.digest != file.sha256:
                seen = item.problem or f"sha256 is {item.digest[:16]}…"
                raise DataError(
                    f"{folder / file.name}: not the file of card {card.id} ({seen}); delete it "
                    f"and {cure(card)}"
                )
        if self._crop:
            self._whole = {f"{item.name}-{self._crop}": item for item in self._items}
            self._items = tuple(cropped_item(item, self._crop) for item in self._items)

    def load(self, item: Item) -> Signal:
        if not self._crop or item.problem is not None:
            return super().load(item)
        signal = super().load(self._whole[item.name])
        return image(centre(signal.array()[0], self._crop))

    def holds(self, item: Item) -> bool:
        return super().holds(self._whole[item.name] if self._crop else item)

    def notes(self) -> tuple[str, ...]:
        if not self._crop:
            return super().notes()
        return (*super().notes(), f"centre crops of {self._crop}×{self._crop} samples")

    def _folder(self, options: DataOptions) -> Path:
        if not self.card.files:
            return locate(self.card, options, lambda path: bool(_matching(path, self.card)))
        wanted = [file.name for file in self.card.files[: options.limit]]
        folder = locate(self.card, options, _holds_any(wanted))
        missing = [name for name in wanted if not (folder / name).is_file()]
        if missing:
            raise DataError(
                f"{self.card.title}: {folder} lacks {len(missing)} of {len(wanted)} files "
                f"({missing[0]}, …); {cure(self.card)}"
            )
        return folder


def _matching(folder: Path, card: DatasetCard) -> list[Path]:
    """The pictures of a folder that have names of the card's pattern, in natural order."""
    found = folder.glob(str(card.settings.get("names", "*"))) if folder.is_dir() else ()
    pictures = (path for path in found if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(pictures, key=natural_key)


def _pictures_in(folder: Path, card: DatasetCard) -> tuple[list[Path], tuple[str, ...]]:
    """All pictures of a card that lists none, and what else lies there. Raises DataError for
    another number than the card's."""
    paths = _matching(folder, card)
    if card.items is not None and len(paths) != card.items:
        raise DataError(
            f"{card.title}: {folder} holds {len(paths)} pictures named "
            f"{card.settings.get('names', '*')}, not the {card.items} that were published; "
            "complete it, or measure what is there with --input"
        )
    inside = set(folder.iterdir())
    others = sorted(path.name for path in inside - set(paths) if not path.name.startswith("."))
    several = f", … ({len(others)} in all)" if len(others) > 3 else ""
    return paths, (f"left out: {', '.join(others[:3])}{several}",) if others else ()


def _check_size(card: DatasetCard, item: Item) -> None:
    """Raises DataError for a picture of another size than the card's."""
    size, longest = card.settings.get("size"), card.settings.get("longest")
    if item.layout is None or card.files:
        return
    width, height = item.layout.width, item.layout.height
    for wanted, seen in ((size, f"{width}x{height}"), (longest, max(width, height))):
        if wanted is not None and wanted != seen:
            raise DataError(
                f"{card.title}: {item.name} is {width}x{height}, not {wanted} as published; it is "
                "no picture of this set, or was resized"
            )


class PackagedImages(ImageFolder):
    """Pictures that come inside an installed Python package: ``settings.package``, in its folder
    ``settings.folder``."""

    settings_known = tuple("package folder crop".split())

    def __init__(
        self, card: DatasetCard, settings: dict[str, object], options: DataOptions
    ) -> None:
        self._package = str(settings["package"])
        self._inside = str(settings["folder"])
        super().__init__(card, settings, options)

    def _folder(self, options: DataOptions) -> Path:
        spec = find_spec(self._package)
        if spec is None or spec.origin is None:
            raise DataError(
                f"{self.card.title}: package {self._package} is not installed; reinstall bench-rd"
            )
        folder = Path(spec.origin).parent / self._inside
        for file in self.card.files[: options.limit]:
            if not (folder / file.name).is_file():
                raise DataError(
                    f"{self.card.title}: {folder} has no {file.name} in this version of "
                    f"{self._package}; reinstall it, or use --suite kodak or --input"
                )
        return folder


def _holds_any(names: list[str]) -> Callable[[Path], bool]:
    return lambda folder: any((folder / name).is_file() for name in names)
