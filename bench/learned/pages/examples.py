"""A sheet of example frames: originals above what codecs made of them, from kept reconstructions.

Reads ``kept/`` and writes a column for each item and a row for each operating point that the
suite's card names; chooses the points where it names none. Decodes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.errors import StoreError, UsageError
from bench.report.html.pictures import Shot, read_shots
from bench.report.pages import Page
from bench.results.run_info import RunInfo

if TYPE_CHECKING:
    from PIL import Image

    from bench.cards.suites import Suite
    from bench.report.content import Content

FILE = "examples.png"
_CELL = 192
"""Small frames are enlarged, by whole factors, to about this width."""
_GAP, _CAPTION, _MARGIN = 8, 20, 150
_FONT_SIZE = 14
_LEARNED_POINTS = 4
_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """An operating point of a codec, written ``x264@crf=51``."""

    codec: str
    point: str

    @classmethod
    def parse(cls, text: str) -> Row:
        codec, _, point = text.rpartition("@")
        if not codec or "=" not in point:
            raise UsageError(f"row {text!r} is not codec@key=value, such as x264@crf=51")
        return cls(codec, point)

    def __str__(self) -> str:
        return f"{self.codec}@{self.point}"


def write(content: Content, folder: Path, suite: Suite) -> Page:
    """Writes examples.png of the kept items, as many as the suite keeps; says what was not kept.

    Raises UsageError for a row of the card that is no operating point.
    """
    wanted = [Row.parse(word) for word in suite.examples]
    shots = [shot for source in content.results.folders for shot in read_shots(source)]
    found = {(Row(shot.codec, shot.point), shot.item): shot for shot in shots}
    kept = {row for row, _ in found}
    columns = suite.keep or _COLUMNS
    rows = [row for row in wanted if row in kept] or choose_rows(shots, content.results.run)
    if not rows:
        return Page(missing=f"{FILE}: nothing is kept; run the suite with --keep {columns}")
    names = list(dict.fromkeys(shot.item for shot in shots))[:columns]
    path = folder / FILE
    _draw([[found.get((row, name)) for name in names] for row in rows], rows).save(
        path, optimize=True
    )
    absent = ", ".join(str(row) for row in wanted if row not in kept)
    return Page(path, f"{FILE}: not kept and left out: {absent}" if absent else "")


def choose_rows(shots: Sequence[Shot], run: RunInfo) -> tuple[Row, ...]:
    """The lowest rates of the anchor and of all codecs that are no networks, then a few points,
    from low to high rates, of each network."""
    networks = {info.id for info in run.codecs if info.complexity}
    rates: dict[Row, list[float]] = {}
    for shot in shots:
        if shot.psnr_rgb is not None:
            rates.setdefault(Row(shot.codec, shot.point), []).append(shot.bpp)
    rising = sorted(rates, key=lambda row: float(np.mean(rates[row])))
    plain = [row for row in rising if row.codec not in networks]
    chosen = [row for row in plain if row.codec == run.anchor][:1] + plain[:1]
    for codec in sorted(networks):
        of_codec = [row for row in rising if row.codec == codec]
        places = np.linspace(0, len(of_codec) - 1, min(_LEARNED_POINTS, len(of_codec)))
        chosen += [of_codec[place] for place in places.round().astype(int)]
    return tuple(dict.fromkeys(chosen))


def _draw(shots: Sequence[Sequence[Shot | None]], rows: Sequence[Row]) -> Image.Image:
    """The sheet: the originals on top, then the rows; an item that a row lacks stays empty."""
    from PIL import Image, ImageDraw, ImageFont

    of_column = [next(filter(None, column), None) for column in zip(*shots, strict=True)]
    originals = [_frame(shot.original) if shot else None for shot in of_column]
    width = max(frame.width for frame in originals if frame)
    height = max(frame.height for frame in originals if frame)
    step = (width + _GAP, height + _CAPTION + _GAP)
    size = (_MARGIN + len(originals) * step[0], (1 + len(rows)) * step[1] + _GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_FONT_SIZE)

    def put(row: int, column: int, frame: Image.Image, caption: str) -> None:
        left, top = _MARGIN + column * step[0], _GAP + row * step[1]
        sheet.paste(frame, (left, top))
        draw.text((left, top + height + 1), caption, "black", font)

    draw.text((_GAP, _GAP), "original", "black", font)
    for column, (shot, frame) in enumerate(zip(of_column, originals, strict=True)):
        if shot and frame:
            put(0, column, frame, shot.item)
    for place, (row, in_row) in enumerate(zip(rows, shots, strict=True), 1):
        label = f"{row.codec}\n{row.point}".replace(":", ":\n").replace(",", ",\n")
        draw.text((_GAP, _GAP + place * step[1]), label, "black", font)
        for column, shot in enumerate(in_row):
            if shot:
                put(place, column, _frame(shot.reconstruction), _caption(shot))
    return sheet


def _caption(shot: Shot) -> str:
    quality = "identical" if shot.psnr_rgb is None else f"{shot.psnr_rgb:.1f} dB"
    return f"{shot.bpp:.4f} bpp, {quality}"


def _frame(path: Path) -> Image.Image:
    """A kept frame, enlarged without smoothing."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error}); keep the items again") from error
    factor = max(1, _CELL // picture.width)
    return picture.resize(
        (picture.width * factor, picture.height * factor), Image.Resampling.NEAREST
    )
