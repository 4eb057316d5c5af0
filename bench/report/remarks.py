"""What a reader of a report must not overlook, a line for each codec. Computes no number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench.analysis.bd import Comparison, few_items, small_overlap
from bench.analysis.bootstrap import MIN_ITEMS
from bench.analysis.bounds import Measured, violations
from bench.provenance import Verdict
from bench.report.content import Content, source_bound


def warnings_of(content: Content) -> list[str]:
    """Incomplete curves, failures, doubtful BD-rates."""
    found = [content.bd.note] if content.bd.note else []
    found += _bound_violations(content)
    found += [verdict_failure(v) for v in content.results.run.verdicts if not v.passed]
    for row in content.rows:
        if row.incomplete:
            found.append(
                f"{row.codec}: {row.failed} tasks not done, smallest point over {row.items} of "
                f"{row.items_expected} {content.item_word}{_first_reason(content, row.codec)}"
            )
    items = content.results.run.items
    if content.bd.anchor is not None and items < MIN_ITEMS:
        found.append(f"{items} {content.item_word}: too few {content.item_word} for an interval")
    curves = {row.codec for row in content.rows if row.points > 1 and not row.lossless}
    titles = {axis.id: axis.title for axis in content.axes}
    found += _doubts([c for c in content.bd.comparisons if c.codec in curves], items, titles)
    single = [row.codec for row in content.rows if row.points == 1 and not row.lossless]
    if single and content.bd.anchor is not None:
        found.append(f"One operating point has no BD-rate: {'; '.join(single)}")
    return list(dict.fromkeys(found))


def own_warnings(comparison: Comparison) -> list[str]:
    """The warnings of a comparison without the name of its codec, which stands before them."""
    return [text.removeprefix(f"{comparison.codec}: ") for text in comparison.warnings]


def _doubts(comparisons: Sequence[Comparison], items: int, titles: Mapping[str, str]) -> list[str]:
    """One line a codec: what is wrong under all metrics, or under which."""
    found: dict[str, dict[str, list[Comparison]]] = {}
    for comparison in comparisons:
        said_once = {few_items(items)} if items < MIN_ITEMS else set()
        for text in comparison.warnings:
            if text in said_once:
                continue
            of_anchor = text.startswith(f"{comparison.anchor}: ")
            subject = comparison.anchor if of_anchor else comparison.codec
            kind = text.removeprefix(f"{subject}: ")
            if text == small_overlap(comparison.overlap_percent):
                kind = "overlap"
            found.setdefault(subject, {}).setdefault(kind, []).append(comparison)
    return [
        f"{subject}: " + "; ".join(_doubt(kind, of, titles) for kind, of in kinds.items())
        for subject, kinds in found.items()
    ]


def _doubt(kind: str, comparisons: Sequence[Comparison], titles: Mapping[str, str]) -> str:
    if kind == "overlap":
        shares = sorted(comparison.overlap_percent for comparison in comparisons)
        kind = small_overlap(shares[0], shares[-1])
    under = dict.fromkeys(comparison.metric for comparison in comparisons)
    if set(under) == set(titles):
        return kind
    return f"{kind} ({', '.join(titles[metric] for metric in under)})"


def _bound_violations(content: Content) -> tuple[str, ...]:
    """A sentence for every point below the R(D) of its source by more than sampling error."""
    bound = source_bound(content.results.run)
    if bound is None:
        return ()
    points = [
        Measured(
            str(point["codec"]),
            str(point["point"]),
            float(point["bpp"]),
            float(point["mse"]),
            int(point["items"] * point["pixels"]),
        )
        for point in content.curves.to_dict("records")
        if point["items"] > 0 and math.isfinite(point["mse"])
    ]
    return violations(bound, points)


def verdict_failure(verdict: Verdict) -> str:
    """One line on a check that did not pass."""
    where = f"{verdict.codec} {verdict.point} on {verdict.item}"
    return f"{where}: check {verdict.check} failed: {verdict.detail or 'no detail'}"


def _first_reason(content: Content, codec: str) -> str:
    records = content.results.records
    reasons = records.loc[(records["codec"] == codec) & (records["status"] != "done"), "reason"]
    reasons = reasons.dropna()
    return f" ({reasons.astype(str).value_counts().index[0]})" if len(reasons) else ""
