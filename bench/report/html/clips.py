"""What the page shows of the frames of clips: their quality and bytes at one rate, and kept
reconstructions that play side by side, within a size budget. Decodes no stream."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.content import Content, matched_points
from bench.report.html.pictures import Shot, data_url
from bench.results.frames import read_frames
from bench.results.kept_clips import LEAST_DB, MOST_PIXELS
from bench.results.kept_streams import CLIP

if TYPE_CHECKING:
    import pandas as pd

BUDGET_BYTES = 3_600_000
"""Bytes of all clips that a page may embed, which are less than 5 MB as text."""
MOST_ITEMS = 4
MOST_AXES = 4


def clip_data(content: Content, shots: Sequence[Shot]) -> dict[str, Any]:
    """By item the frames of every codec at about one rate and the clips that fit; empty where
    there are no clips."""
    if content.results.run.media != "video":
        return {}
    table = read_frames(content.results.folders)
    items = [] if table is None else [str(item) for item in dict.fromkeys(table["item"])]
    items = list(dict.fromkeys([*(shot.item for shot in shots), *items]))[:MOST_ITEMS]
    clips = list(_within_budget(content, [shot for shot in shots if shot.item in items]))
    found = [_item(content, item, table, clips) for item in items]
    found = [one for one in found if one["curves"] or one["clips"]]
    return {"items": found, "note": _note(shots, clips)} if found else {}


def _item(
    content: Content, item: str, table: pd.DataFrame | None, clips: Sequence[Shot]
) -> dict[str, Any]:
    rate, points = matched_points(content, item)
    own = [clip for clip in clips if clip.item == item]
    shown = {(clip.codec, clip.point): clip.bpp for clip in own}
    shown |= {(codec, point): bpp for codec, (point, bpp) in points.items()}
    curves = [
        {
            "codec": content.name(codec), "point": point, "bpp": bpp,
            "matched": points.get(codec, ("", 0.0))[0] == point,
            **_frames(content, table, (codec, point, item)),
        }
        for (codec, point), bpp in shown.items()
    ]  # fmt: skip
    return {
        "item": item, "rate": rate, "fps": _fps(content, item),
        "curves": [one for one in curves if one["values"]],
        "original": _playing(own[0].original) if own else None,
        "clips": [
            {
                "codec": content.name(clip.codec), "point": clip.point,
                "bpp": clip.bpp, "source": _playing(clip.reconstruction),
            }
            for clip in own
        ],
    }  # fmt: skip


def _playing(picture: Path) -> str:
    return data_url("video/webm", picture.with_suffix(CLIP).read_bytes())


def _frames(
    content: Content, table: pd.DataFrame | None, key: tuple[str, str, str]
) -> dict[str, Any]:
    """Types, bytes and quality of the frames of one record."""
    if table is None:
        return {"types": [], "bytes": [], "values": {}}
    codec, point, item = key
    rows = table[(table["codec"] == codec) & (table["point"] == point) & (table["item"] == item)]
    rows = rows.sort_values("frame")
    axes = [axis for axis in content.axes if axis.column in rows][:MOST_AXES]
    return {
        "types": [word if isinstance(word, str) else "" for word in rows["type"]],
        "bytes": [None if math.isnan(size) else int(size) for size in rows["bytes"]],
        "values": {
            axis.id: [float(axis.shown(value)) for value in rows[axis.column]]
            for axis in axes
            if rows[axis.column].notna().any()
        },
    }


def _fps(content: Content, item: str) -> float | None:
    """Frames a second, from a record's bits and bits a second."""
    records = content.results.records
    own = records[(records["item"] == item) & (records["kbps"] > 0) & (records["bytes"] > 0)]
    if own.empty:
        return None
    row = own.iloc[0]
    return round(float(row["frames"] * row["kbps"] * 1000 / (8 * row["bytes"])), 3)


def _within_budget(content: Content, shots: Sequence[Shot]) -> Iterator[Shot]:
    """Of each item every codec's point nearest to the common rate, then the next nearest, as long
    as they fit."""
    left = BUDGET_BYTES
    originals: set[Path] = set()
    for shot in _by_distance(content, shots):
        file, original = (path.with_suffix(CLIP) for path in (shot.reconstruction, shot.original))
        if not (file.is_file() and original.is_file()):
            continue
        needed = file.stat().st_size
        needed += 0 if original in originals else original.stat().st_size
        if needed <= left:
            left -= needed
            originals.add(original)
            yield shot


def _by_distance(content: Content, shots: Sequence[Shot]) -> list[Shot]:
    ranked = []
    for item in dict.fromkeys(shot.item for shot in shots):
        rate, _ = matched_points(content, item)
        for codec in dict.fromkeys(shot.codec for shot in shots):
            own = [shot for shot in shots if (shot.item, shot.codec) == (item, codec)]
            own.sort(key=lambda shot: abs(math.log(shot.bpp / rate)) if shot.bpp > 0 else math.inf)
            ranked += list(enumerate(own))
    return [shot for _, shot in sorted(ranked, key=lambda pair: pair[0])]


def _note(shots: Sequence[Shot], clips: Sequence[Shot]) -> str:
    if not clips:
        return ""
    there = sum(shot.reconstruction.with_suffix(CLIP).is_file() for shot in shots)
    left = f" {len(clips)} of {there} kept clips are in this file." if len(clips) < there else ""
    return (
        f"Played as VP9 in 8-bit 4:2:0, each frame at least {LEAST_DB:.0f} dB from what was "
        f"decoded; of large clips the first frames, about {MOST_PIXELS // 10**6} million pixels. "
        f"The numbers are those of what was decoded.{left} All lie in the folder kept."
    )
