"""What a reader of a report must not overlook, a line for each codec. Computes no number."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import combinations

import numpy as np

from bench.analysis.bd import LEAST_OVERLAP_PERCENT, Comparison, small_overlap
from bench.analysis.bootstrap import MIN_ITEMS, few_groups, few_items, too_few_groups
from bench.records import RATE_REMARK
from bench.report.content import Content, source_bound
from bench.results.table import split_remarks


@lru_cache(maxsize=1)
def warnings_of(content: Content) -> tuple[str, ...]:
    """Incomplete curves, failures, doubtful BD-rates; kept, as tables, page and terminal tell the
    same."""
    found = [content.bd.note] if content.bd.note else []
    found += _bound_violations(content)
    found += [
        f"{v.codec} {v.point} on {v.item}: check {v.check} failed: {v.detail or 'no detail'}"
        for v in content.results.run.verdicts if not v.passed
    ]  # fmt: skip
    for row in content.rows:
        if row.incomplete:
            found.append(
                f"{content.name(row.codec)}: {row.failed} tasks not done, smallest point over "
                f"{row.items} of {row.items_expected} {content.item_word}"
                f"{_first_reason(content, row.codec)}"
            )
    items = content.results.run.items
    if content.bd.anchor is not None and items < MIN_ITEMS:
        found.append(f"too few {content.item_word} for an interval: {items}")
    elif content.bd.anchor is not None and too_few_groups(content.groups):
        found.append(few_groups(content.groups))
    curves = {row.codec for row in content.rows if row.points > 1 and not row.lossless}
    titles = {axis.id: axis.title for axis in content.axes}
    said = {few_items(items), few_groups(content.groups)}
    found += _doubts(
        content, [c for c in content.bd.comparisons if c.codec in curves], said, titles
    )
    found += _fallen_frames(content)
    found += _empty_cells(content)
    found += _rates_apart(content)
    found += _same_points(content)
    found += _disagreement(content)
    found += _drawn_only(content)
    found += _single_points(content)
    return tuple(dict.fromkeys(found))


_FALLEN_DB = 20.0
"""A frame this far below the mean of its clip is another picture, not a worse one."""


def _fallen_frames(content: Content) -> Iterator[str]:
    """One line a codec and metric: the frame that lies furthest below the mean of its clip."""
    records = content.results.records
    for axis in content.axes:
        least = f"{axis.column}_min"
        if axis.unit != "dB" or axis.scale != "linear" or least not in records:
            continue
        gap = records[axis.column] - records[least]
        fallen = records.assign(gap=gap)[gap >= _FALLEN_DB]
        for codec, found in fallen.groupby("codec", observed=True):
            worst = found.iloc[int(found["gap"].to_numpy().argmax())]
            more = f"; {len(found) - 1} more clips so" if len(found) > 1 else ""
            yield (
                f"{content.name(str(codec))}: {axis.title} of one frame is "
                f"{worst[least]:.1f} dB where the mean of its clip is {worst[axis.column]:.1f}: "
                f"{worst['point']} on {worst['item']}, frame "
                f"{worst['worst_frame']:.0f} from 0 has the largest error, "
                f"{worst['frames_identical']:.0f} of {worst['frames']:.0f} frames are identical"
                f"{more}"
            )


def _single_points(content: Content) -> Iterator[str]:
    """One line for the codecs that are compared in one point, one for those that cannot be."""
    if content.bd.anchor is None:
        return
    placed: list[str] = []
    beyond: list[str] = []
    for row in content.rows:
        if row.points == 1 and not row.lossless and row.codec != content.bd.anchor:
            is_placed = any(c and c.single for c in row.comparisons)
            (placed if is_placed else beyond).append(content.name(row.codec))
    if placed:
        yield (
            "One operating point has no BD-rate; shown are the rate at its quality and the quality "
            f"at its rate: {'; '.join(placed)}"
        )
    if beyond:
        yield f"One operating point has no BD-rate: {'; '.join(beyond)}"


def _drawn_only(content: Content) -> list[str]:
    """One line for all published curves that are not compared for one reason, and one for those
    of which nobody says over what they are means."""
    told: dict[str, list[str]] = {}
    for one in content.published:
        if reason := one.refusal or one.note:
            told.setdefault(reason, []).append(one.codec)
    return [f"{', '.join(names)}: {reason}" for reason, names in told.items()]


def _empty_cells(content: Content) -> list[str]:
    """One line a metric that some finished records have no value of, with the commonest reason."""
    records = content.results.records
    done = records.loc[records["status"] == "done", "remarks"]
    said = Counter[tuple[str, str]]()
    for text, count in done.dropna().astype(str).value_counts().items():
        for name, reason in split_remarks(str(text)).items():
            if name != RATE_REMARK:
                said[name, reason] += int(count)
    lines: dict[str, str] = {}
    for (name, reason), _ in said.most_common():
        total = sum(count for (other, _), count in said.items() if other == name)
        lines.setdefault(name, f"{name}: no value on {total} of {len(done)} records ({reason})")
    return list(lines.values())


def _rates_apart(content: Content) -> Iterator[str]:
    """One line a codec whose estimated rate is not that of its streams, with the first record."""
    records = content.results.records[["codec", "point", "item", "remarks"]]
    counts = records["codec"].value_counts()
    telling = [text for text in records["remarks"].cat.categories if f"{RATE_REMARK}: " in text]
    few = records[records["remarks"].isin(telling)]
    for codec, group in few.groupby("codec", observed=True):
        said = [split_remarks(str(text)).get(RATE_REMARK) for text in group["remarks"]]
        apart = [(row, text) for row, text in enumerate(said) if text]
        if apart:
            row, text = apart[0]
            first = group.iloc[row]
            yield (
                f"{content.name(str(codec))}: estimated and measured rate differ by more than "
                f"headers and 5 % on {len(apart)} of {counts[codec]} records "
                f"({first['point']} on {first['item']}: "
                f"{text})"
            )


def _same_points(content: Content) -> Iterator[str]:
    """One line a codec of which two points gave streams of one size and pixels of one quality on
    every item: one checkpoint under two names, or a value that nothing reads."""
    axes = [axis.column for axis in content.axes]
    for codec, grid in content.grids.items():
        seen: dict[bytes, str] = {}
        sized = np.isfinite(grid.bits)
        for place, point in enumerate(grid.points):
            parts = [grid.values[axis][:, place] for axis in axes if axis in grid.values]
            if not parts or not sized[:, place].any():
                continue
            key = np.stack([grid.bits[:, place], *parts])[:, sized[:, place]].tobytes()
            key += sized[:, place].tobytes()
            if key in seen:
                yield (
                    f"{content.name(codec)}: {seen[key]} and {point} gave streams of "
                    f"the same sizes and the same quality on all "
                    f"{sized[:, place].sum()} {content.item_word}; are they one measurement?"
                )
            seen.setdefault(key, point)


_CLEAR_PERCENT = 1.0
"""BD-rates nearer than this do not put one codec ahead of another."""


def _disagreement(content: Content) -> list[str]:
    """One line where the order of codecs depends on the metric: who leads under which, else two
    that change places. Only codecs with a BD-rate under every metric are ranked."""
    axes = content.axes
    if content.bd.anchor is None or len(axes) < 2:
        return []
    rates = {row.codec: _rates(row.comparisons) for row in content.rows if not row.lossless}
    rates[content.bd.anchor] = [0.0] * len(axes)
    ranked = {name: found for name, found in rates.items() if len(found) == len(axes)}
    pairs = {
        (one, two): clear
        for one, two in combinations(ranked, 2)
        if (clear := _contradiction(ranked[one], ranked[two])) > _CLEAR_PERCENT
    }
    if not pairs:
        return []
    titles = [axis.title for axis in axes]
    led: dict[str, list[str]] = {}
    for place, title in enumerate(titles):
        led.setdefault(min(ranked, key=lambda name: ranked[name][place]), []).append(title)
    if any(pair in pairs or pair[::-1] in pairs for pair in combinations(led, 2)):
        words = [f"{name} in {', '.join(under)}" for name, under in led.items()]
        return [f"The metrics disagree in rank: least rate is needed by {'; by '.join(words)}"]
    one, two = max(pairs, key=lambda pair: pairs[pair])
    order = zip(titles, ranked[one], ranked[two], strict=True)
    ahead = [title for title, mine, theirs in order if mine < theirs]
    behind = [title for title in titles if title not in ahead]
    return [
        f"The metrics disagree in rank: {content.name(one)} is ahead of {content.name(two)} in "
        f"{', '.join(ahead)}, behind in {', '.join(behind)}"
    ]


def _rates(comparisons: Sequence[Comparison | None]) -> list[float]:
    return [one.rate_percent for one in comparisons if one is not None and one.defined]


def _contradiction(one: Sequence[float], two: Sequence[float]) -> float:
    """By how many percent at least each of two codecs is ahead under some metric; 0 or less where
    one is never behind."""
    gaps = [mine - theirs for mine, theirs in zip(one, two, strict=True)]
    return min(max(gaps), -min(gaps))


def own_warnings(comparison: Comparison) -> list[str]:
    """The warnings of a comparison without the name of its codec, which stands before them."""
    said = (*comparison.warnings, *comparison.left_out)
    return [text.removeprefix(f"{comparison.codec}: ") for text in said]


def _doubts(
    content: Content,
    comparisons: Sequence[Comparison],
    said: AbstractSet[str],
    titles: Mapping[str, str],
) -> list[str]:
    """One line a codec: what is wrong under all metrics, or under which; without what is ``said``
    of all. What a spread is without counts on the first axis, which alone is shown with one."""
    first = next(iter(titles), None)
    found: dict[str, dict[str, list[Comparison]]] = {}
    for comparison in comparisons:
        spread = comparison.left_out if comparison.metric == first else ()
        for text in (*comparison.warnings, *spread):
            if text in said:
                continue
            of_anchor = text.startswith(f"{comparison.anchor}: ")
            subject = comparison.anchor if of_anchor else comparison.codec
            kind = text.removeprefix(f"{subject}: ")
            if text == small_overlap(comparison.overlap_percent):
                least = comparison.overlap_percent < LEAST_OVERLAP_PERCENT
                kind = "least overlap" if least else "overlap"
            found.setdefault(subject, {}).setdefault(kind, []).append(comparison)
    return [
        f"{content.name(subject)}: "
        + "; ".join(_doubt(kind, of, titles) for kind, of in kinds.items())
        for subject, kinds in found.items()
    ]


def _doubt(kind: str, comparisons: Sequence[Comparison], titles: Mapping[str, str]) -> str:
    if kind in ("overlap", "least overlap"):
        shares = sorted(comparison.overlap_percent for comparison in comparisons)
        kind = small_overlap(shares[0], shares[-1])
    under = dict.fromkeys(comparison.metric for comparison in comparisons)
    if set(under) == set(titles):
        return kind
    return f"{kind} ({', '.join(titles[metric] for metric in under)})"


def _bound_violations(content: Content) -> Iterator[str]:
    """A sentence for every point below the R(D) of its source by more than sampling error."""
    bound = source_bound(content.results.run)
    if bound is None:
        return
    for point in content.curves.to_dict("records"):
        rate, mse, symbols = point["bpp"], point["mse"], point["items"] * point["pixels"]
        if point["items"] > 0 and math.isfinite(mse) and bound.refutes(rate, mse, symbols):
            yield (
                f"accounting error: {point['codec']} {point['point']} has MSE {mse:.6g} at "
                f"{rate:.4f} bits per symbol, below the {bound.title} of "
                f"{bound.mse_at(rate):.6g}; some of its bits are not counted, or its decoder saw "
                "the source"
            )


def _first_reason(content: Content, codec: str) -> str:
    records = content.results.records
    reasons = records.loc[(records["codec"] == codec) & (records["status"] != "done"), "reason"]
    reasons = reasons.dropna()
    return f" ({reasons.astype(str).value_counts().index[0]})" if len(reasons) else ""
