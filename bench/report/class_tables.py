"""BD-rates by clip and class: bd_clips.csv and its section of table.md; computes no numbers."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.analysis.classes import ByClass, by_class
from bench.report.content import Content
from bench.report.tables import md_table, number, signed

FILE = "bd_clips.csv"
COLUMNS = (
    *("suite", "metric", "anchor", "codec", "class", "clip", "clips"),
    *("bd_rate", "bd_rate_classes", "bd_rate_curve"),
)
MOST_CLIPS = 40
"""Of more clips table.md has no row each."""


def classes_of(content: Content) -> tuple[ByClass, ...]:
    """Those of a report on several clips, else none."""
    if content.results.run.media != "video":
        return ()
    return by_class(content.bd.comparisons, content.grids, content.axes)


def write_class_rates(content: Content, folder: Path) -> None:
    """bd_clips.csv, where several clips were measured."""
    found, path = classes_of(content), folder / FILE
    if not found:
        path.unlink(missing_ok=True)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for each in found:
            head = (content.results.run.suite, each.metric, each.anchor, each.codec)
            writer.writerows((*head, *cells) for cells in _rows(each))


def _rows(each: ByClass) -> Iterator[tuple[str, ...]]:
    classes = {clip: one.name for one in each.classes for clip, _ in one.clips}
    for clip, rate in each.whole.clips:
        yield classes.get(clip, ""), clip, "1", number(rate), "", number(rate)
    for one in each.classes:
        yield one.name, "", str(one.defined), number(one.mean), "", number(one.mean_curve)
    whole = each.whole
    means = (whole.mean, each.mean_of_classes, whole.mean_curve)
    yield "", "", str(whole.defined), *map(number, means)


def class_section(content: Content) -> list[str]:
    """The lines of table.md, of the first axis that there are BD-rates on."""
    found = classes_of(content)
    if not found:
        return []
    axis = next(one for one in content.axes if one.id == found[0].metric)
    shown = [each for each in found if each.metric == axis.id]
    names = list(dict.fromkeys(one.name for each in shown for one in each.classes))
    columns, rows = class_table(content, shown, names)
    lines = ["", f"## BD-rate by class and clip, {axis.title}, %", ""]
    lines += [
        f"Against {content.name(shown[0].anchor)}, PCHIP: of each clip, then the mean over the "
        "clips of a class; over all the mean of the clips, that of the classes' means and that of "
        f"the mean curve. {FILE} has all metrics.", "",
    ]  # fmt: skip
    lines += md_table(columns, rows)
    if len(shown[0].whole.clips) <= MOST_CLIPS:
        lines += ["", *md_table(*clip_table(content, shown))]
    return lines


def class_table(
    content: Content, shown: Sequence[ByClass], names: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """A row a codec: each class, then over all."""
    classes = names if len(names) > 1 else []
    means = ["mean of classes"] if classes else []
    columns = ["Codec", *classes, *means, "mean of clips", "mean curve"]
    rows = []
    for each in shown:
        own = {one.name: one.mean for one in each.classes}
        cells = [signed(own.get(name, math.nan)) for name in classes]
        cells += [signed(each.mean_of_classes)] if classes else []
        cells += [signed(each.whole.mean), signed(each.whole.mean_curve)]
        rows.append([content.name(each.codec), *cells])
    return columns, rows


def clip_table(content: Content, shown: Sequence[ByClass]) -> tuple[list[str], list[list[str]]]:
    """A row a clip, a column a codec."""
    clips = dict.fromkeys(clip for each in shown for clip, _ in each.whole.clips)
    own = [dict(each.whole.clips) for each in shown]
    columns = ["Clip", *(content.name(each.codec) for each in shown)]
    rows = [[clip, *(signed(one.get(clip, math.nan)) for one in own)] for clip in clips]
    return columns, rows
