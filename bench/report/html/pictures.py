"""The kept reconstructions that the page shows, chosen within a size budget; decodes nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import StoreError

BUDGET_BYTES = 48_000_000
"""PNG bytes that a page may embed; further items are named, not shown."""
MAX_POINTS = 6
"""Points of one codec on one item, spread evenly over its rates."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One kept reconstruction; ``psnr_rgb`` is None where it is infinite or does not apply."""

    item: str
    codec: str
    point: str
    bpp: float
    psnr_rgb: float | None
    original: Path
    reconstruction: Path


def read_shots(folder: Path) -> tuple[Shot, ...]:
    """What ``kept/index.json`` lists, in its order; empty where nothing was kept.

    Raises StoreError if the index is broken or names a file outside its folder.
    """
    index = folder / "kept" / "index.json"
    if not index.is_file():
        return ()
    try:
        entries = json.loads(index.read_text(encoding="utf-8"))
        return tuple(_shot(index.parent, entry) for entry in entries)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{index}: cannot be read: {error}; keep the items again") from error


def _shot(kept: Path, entry: dict[str, Any]) -> Shot:
    files = [(kept / entry[name]).resolve() for name in ("original", "reconstruction")]
    for file in files:
        if not file.is_relative_to(kept.resolve()):
            raise ValueError(f"{file} lies outside {kept}")
    psnr = entry["psnr_rgb"]
    return Shot(
        str(entry["item"]), str(entry["codec"]), str(entry["point"]), float(entry["bpp"]),
        None if psnr is None else float(psnr), files[0], files[1],
    )  # fmt: skip


def choose_shots(shots: Sequence[Shot], budget: int = BUDGET_BYTES) -> tuple[Shot, ...]:
    """At most ``MAX_POINTS`` of each codec on each item, whole items while they fit ``budget``."""
    chosen: list[Shot] = []
    used = 0
    for item in dict.fromkeys(shot.item for shot in shots):
        of_item = [shot for shot in shots if shot.item == item]
        picked = [
            shot
            for codec in dict.fromkeys(shot.codec for shot in of_item)
            for shot in _spread([shot for shot in of_item if shot.codec == codec])
        ]
        size = sum(path.stat().st_size for path in _files(picked) if path.is_file())
        if used + size <= budget:
            chosen += picked
            used += size
    return tuple(chosen)


def _spread(shots: list[Shot]) -> list[Shot]:
    ordered = sorted(shots, key=lambda shot: shot.bpp)
    if len(ordered) <= MAX_POINTS:
        return ordered
    places = np.linspace(0, len(ordered) - 1, MAX_POINTS).round().astype(int)
    return [ordered[place] for place in places]


def _files(shots: Iterable[Shot]) -> set[Path]:
    return {path for shot in shots for path in (shot.original, shot.reconstruction)}


def picture_data(shots: Sequence[Shot]) -> list[dict[str, Any]]:
    """What the page's comparison reads: items with their original and shots as data addresses.

    Raises StoreError for a picture that is listed and not there.
    """
    found = []
    for item in dict.fromkeys(shot.item for shot in shots):
        of_item = [shot for shot in shots if shot.item == item]
        found.append({
            "item": item,
            "original": _address(of_item[0].original),
            "shots": [
                {
                    "codec": shot.codec, "point": shot.point, "bpp": shot.bpp,
                    "psnr": shot.psnr_rgb, "source": _address(shot.reconstruction),
                }
                for shot in of_item
            ],
        })  # fmt: skip
    return found


def _address(path: Path) -> str:
    try:
        return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}; keep it again") from error
