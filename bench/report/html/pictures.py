"""The kept reconstructions that the page shows, within a size budget; decodes no stream."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from bench.cards.files import read_json
from bench.errors import StoreError

BUDGET_BYTES = 4_000_000
"""Bytes of pictures that a page may embed, which is 5.4 MB as text; the rest takes 2.3 MB."""
MAX_POINTS = 6
"""Points of one codec on one item, spread evenly over its rates."""
MIN_POINTS = 3
"""Rather than fewer points than these, pictures are shown through lossy WebP, and this is said."""
QUALITIES = (95, 88)
"""Of lossy WebP: about 44 and 42 dB from the decoded picture."""


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


@dataclass(frozen=True, slots=True)
class Embedded:
    """What the page's comparison reads: items with their original and shots as data addresses, and
    a sentence on what was left out or changed for size, else empty."""

    items: list[dict[str, Any]]
    note: str


def read_shots(folder: Path) -> tuple[Shot, ...]:
    """What ``kept/index.json`` lists, in its order; empty where nothing was kept.

    Raises StoreError if the index is broken or names a file outside its folder.
    """
    index = folder / "kept" / "index.json"
    if not index.is_file():
        return ()
    try:
        entries = read_json(index)
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


def embed(shots: Sequence[Shot], budget: int = BUDGET_BYTES) -> Embedded:
    """As many points a codec as fit, pixel by pixel what was decoded; if not even ``MIN_POINTS``
    fit, through lossy WebP; items that do not fit even so are left out, the last ones first.

    Raises StoreError for a picture that is listed and not there.
    """
    kept = list(dict.fromkeys(shot.item for shot in shots))
    tries = [cache(partial(_webp, quality=quality)) for quality in (None, *QUALITIES)]
    for count in range(len(kept), 0, -1):
        of_items = [shot for shot in shots if shot.item in kept[:count]]
        for made in tries:
            for points in range(MAX_POINTS, MIN_POINTS - 1, -1):
                chosen = spread_points(of_items, points)
                # stops at the first picture over the budget, as making them takes long
                sizes = accumulate(len(made(path)[0]) for path in _paths(chosen))
                if all(size <= budget for size in sizes):
                    worst = min(made(path)[1] for path in _paths(chosen))
                    note = _note(worst, count, len(kept))
                    return Embedded(_entries(chosen, made), note)
    if not shots:
        return Embedded([], "")
    return Embedded([], "The kept pictures are too large for this file: see the folder kept.")


def spread_points(shots: Sequence[Shot], points: int) -> list[Shot]:
    """At most ``points`` of each codec on each item, spread evenly over its rates."""
    groups: dict[tuple[str, str], list[Shot]] = {}
    for shot in shots:
        groups.setdefault((shot.item, shot.codec), []).append(shot)
    chosen = []
    for group in groups.values():
        ordered = sorted(group, key=lambda shot: shot.bpp)
        places = np.linspace(0, len(ordered) - 1, min(points, len(ordered))).round().astype(int)
        chosen += [ordered[place] for place in places]
    return chosen


def _webp(path: Path, quality: int | None) -> tuple[bytes, float]:
    """A picture as WebP, lossless or of some quality, and its PSNR then; infinite of a picture that
    was not changed."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error}); keep it again") from error
    file = io.BytesIO()
    if quality is None:
        picture.save(file, "WEBP", lossless=True, quality=0, method=0, exact=True)
        return file.getvalue(), math.inf
    picture.save(file, "WEBP", quality=quality, method=2)
    with Image.open(io.BytesIO(file.getvalue())) as shown:
        change = np.asarray(shown.convert("RGB"), float) - np.asarray(picture, float)
    mse = float(np.square(change).mean())
    return file.getvalue(), 10 * math.log10(255**2 / mse) if mse else math.inf


def _paths(shots: Iterable[Shot]) -> list[Path]:
    return list(dict.fromkeys(path for s in shots for path in (s.original, s.reconstruction)))


def _note(worst: float, items: int, kept: int) -> str:
    """``worst`` is the PSNR of the picture that was changed most."""
    said = []
    if math.isfinite(worst):
        said.append(
            "For size the pictures are shown through lossy WebP, "
            f"{worst:.1f} dB or more from what was decoded; "
            "difference maps and pixel values are of the pictures shown, "
            "the rates and PSNRs of what was decoded. The exact ones lie in the folder kept."
        )
    if items < kept:
        said.append(f"{items} of {kept} kept items are in this file; see the folder kept.")
    return " ".join(said)


def _entries(
    shots: Sequence[Shot], made: Callable[[Path], tuple[bytes, float]]
) -> list[dict[str, Any]]:
    found = []
    for item in dict.fromkeys(shot.item for shot in shots):
        of_item = [shot for shot in shots if shot.item == item]
        found.append({
            "item": item,
            "original": data_url("image/webp", made(of_item[0].original)[0]),
            "shots": [
                {
                    "codec": shot.codec, "point": shot.point, "bpp": shot.bpp,
                    "psnr": shot.psnr_rgb,
                    "source": data_url("image/webp", made(shot.reconstruction)[0]),
                }
                for shot in of_item
            ],
        })  # fmt: skip
    return found


def data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
