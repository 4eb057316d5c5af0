"""A check's outcome for a terminal, a pull request, JUnit readers and GitHub. Decides nothing."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.check.points import amount
from bench.check.verdicts import (
    CHANGED,
    IMPROVEMENT,
    INCOMPARABLE,
    MISSING,
    NEW,
    NO_CHANGE,
    OTHER_STREAMS,
    REGRESSION,
    CheckReport,
    CodecVerdict,
    PointVerdict,
)

if TYPE_CHECKING:
    from rich.table import Table

_COLOURS = {
    REGRESSION: "red",
    INCOMPARABLE: "red",
    MISSING: "yellow",
    IMPROVEMENT: "green",
    NEW: "cyan",
    CHANGED: "yellow",
    OTHER_STREAMS: "yellow",
    NO_CHANGE: "",
}
_SIGNS = {
    REGRESSION: "❌",
    INCOMPARABLE: "⛔",
    MISSING: "⚠️",
    IMPROVEMENT: "✅",
    NEW: "🆕",
    CHANGED: "🔀",
    OTHER_STREAMS: "🔀",
    NO_CHANGE: "▫️",
}


def verdict_line(report: CheckReport) -> str:
    """The one sentence that a reader needs."""
    if report.problems:
        return "cannot compare: " + "; ".join(report.problems)
    counts = Counter(codec.outcome for codec in report.codecs)
    words = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    line = f"{words} of {len(report.codecs)} codecs over {report.items} items"
    if report.judged.lost:
        line += f"; missing metrics: {', '.join(report.judged.lost)}"
    changed = sum(len(point.changed) for point in report.points)
    streams = sum(point.items for point in report.points)
    return f"{line}; {changed} of {streams} streams changed" if changed else line


def terminal_table(report: CheckReport) -> Table:
    """One row a codec, and one for each point that did more than stay the same."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("codec", overflow="fold")
    for name in ("point", "outcome"):
        table.add_column(name, no_wrap=True)
    for name in ("bits", "quality", "BD-rate"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what")
    for codec in report.codecs:
        for row in _rows(codec):
            colour = _COLOURS[row[2]]
            table.add_row(
                *(Text(cell, style=colour if i == 2 else "") for i, cell in enumerate(row))
            )
    return table


def _rows(codec: CodecVerdict) -> Iterator[tuple[str, ...]]:
    what = f"{len(codec.points)} points"
    if codec.causes:
        what = "likely cause: " + "; ".join(codec.causes)
    yield codec.codec, "", codec.outcome, "", "", _bd_rate(codec), what
    for point in codec.points:
        if point.outcome != NO_CHANGE:
            yield "", point.point, point.outcome, _bits(point), _quality(point), "", point.detail


def _bd_rate(codec: CodecVerdict) -> str:
    return "" if codec.bd_rate is None else f"{codec.bd_rate.mean:+.2f} %"


def _bits(point: PointVerdict) -> str:
    shift = point.shift("bits")
    return "" if shift is None else f"{shift.mean:+.3f} %"


def _quality(point: PointVerdict) -> str:
    """The metric that moved furthest, in its tolerances."""
    shifts = [shift for shift in point.shifts if shift.quantity != "bits"]
    if not shifts:
        return ""
    return amount(max(shifts, key=lambda shift: abs(shift.mean) / max(shift.tolerance, 1e-9)))


def markdown(report: CheckReport) -> str:
    """A comment for a pull request: the verdict, a table of codecs, the points that moved."""
    sign = {0: _SIGNS[IMPROVEMENT], 1: _SIGNS[REGRESSION], 2: _SIGNS[MISSING]}[report.exit_status]
    lines = [
        f"### {sign} Rate-distortion check: {_cell(report.suite)}",
        "",
        _cell(verdict_line(report)) + ".",
        "",
    ]
    if report.codecs:
        lines += ["| codec | outcome | BD-rate | likely cause |", "| --- | --- | ---: | --- |"]
    for codec in report.codecs:
        outcome = f"{_SIGNS[codec.outcome]} {codec.outcome}"
        lines.append(_row(codec.codec, outcome, _bd_rate(codec), "; ".join(codec.causes)))
    moved = [point for point in report.points if point.outcome != NO_CHANGE]
    if moved:
        lines += ["", "<details open><summary>Points that moved</summary>", ""]
        lines += ["| codec | point | outcome | bits | quality | what |"]
        lines += ["| --- | --- | --- | ---: | ---: | --- |"]
        for point in moved:
            bits, quality = _bits(point), _quality(point)
            lines.append(_row(point.codec, point.point, point.outcome, bits, quality, point.detail))
        lines += ["", "</details>"]
    lines += [
        "",
        f"In brackets what counts as no change; paired over {report.items} items.",
    ]
    return "\n".join([*lines, *(_cell(note) + "." for note in report.notes)]) + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """Text that cannot end a table cell or start markup."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in ("\\", "|", "`", "*", "_", "[", "]", "@"):
        escaped = escaped.replace(mark, f"\\{mark}")
    return " ".join(escaped.split())


def junit(report: CheckReport) -> str:
    """JUnit XML: a test suite, one case a codec and point; a problem is an error of its own."""
    suite = ElementTree.Element("testsuite", name=f"bench check {report.suite}")
    failures = errors = cases = 0
    for problem in report.problems:
        case = ElementTree.SubElement(suite, "testcase", classname="bench.check", name="comparable")
        ElementTree.SubElement(case, "error", message=problem)
        errors, cases = errors + 1, cases + 1
    for codec in report.codecs:
        for name, outcome, detail in _cases(codec):
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"bench.check.{codec.codec}", name=name
            )
            cases += 1
            if outcome == REGRESSION:
                failures += 1
                text = f"{detail}; likely cause: {'; '.join(codec.causes)}"
                ElementTree.SubElement(case, "failure", message=detail, type=outcome).text = text
            elif outcome in (MISSING, INCOMPARABLE):
                errors += 1
                ElementTree.SubElement(case, "error", message=detail, type=outcome)
            elif outcome != NO_CHANGE:
                ElementTree.SubElement(case, "system-out").text = f"{outcome}: {detail}"
    suite.set("tests", str(cases))
    suite.set("failures", str(failures))
    suite.set("errors", str(errors))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _cases(codec: CodecVerdict) -> Iterator[tuple[str, str, str]]:
    for point in codec.points:
        yield point.point, point.outcome, point.detail
    shift = codec.bd_rate
    if shift is not None:
        outcome = REGRESSION if shift.worse else IMPROVEMENT if shift.better else NO_CHANGE
        yield "BD-rate", outcome, f"BD-rate {shift.mean:+.2f} % (tolerance {shift.tolerance:g} %)"


_ANNOTATIONS = {
    REGRESSION: "error",
    INCOMPARABLE: "error",
    MISSING: "warning",
    IMPROVEMENT: "notice",
    CHANGED: "notice",
    OTHER_STREAMS: "notice",
}


def github_annotations(report: CheckReport) -> str:
    """GitHub workflow commands: errors for regressions and for what is not comparable, warnings
    for what is missing."""
    lines = [_annotation("error", "cannot compare", problem) for problem in report.problems]
    for codec in report.codecs:
        cause = f" (likely cause: {'; '.join(codec.causes)})" if codec.causes else ""
        for name, outcome, detail in _cases(codec):
            kind = _ANNOTATIONS.get(outcome)
            if kind is not None:
                title = f"{outcome}: {codec.codec} {name}"
                lines.append(_annotation(kind, title, f"{detail}{cause}"))
    return "".join(f"{line}\n" for line in lines)


def _annotation(kind: str, title: str, message: str) -> str:
    """Escaped as GitHub's workflow commands want it: %, line ends, and : and , in properties."""
    message = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    title = title.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{kind} title={title.replace(':', '%3A').replace(',', '%2C')}::{message}"
