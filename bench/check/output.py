"""A check's outcome for a terminal, a pull request, JUnit readers and GitHub. Decides nothing."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from bench.check.points import amount
from bench.check.verdicts import CheckReport, CodecVerdict, Outcome, PointVerdict

if TYPE_CHECKING:
    from rich.table import Table


class _Shown(NamedTuple):
    """How an outcome looks: its colour in a terminal, its sign in a pull request and its kind among
    GitHub's annotations, where it is told."""

    colour: str
    sign: str
    annotation: str = ""


_SHOWN = {
    Outcome.REGRESSION: _Shown("red", "❌", "error"),
    Outcome.INCOMPARABLE: _Shown("red", "⛔", "error"),
    Outcome.MISSING: _Shown("yellow", "⚠️", "warning"),
    Outcome.IMPROVEMENT: _Shown("green", "✅", "notice"),
    Outcome.NEW: _Shown("cyan", "🆕"),
    Outcome.CHANGED: _Shown("yellow", "🔀", "notice"),
    Outcome.OTHER_STREAMS: _Shown("yellow", "🔀", "notice"),
    Outcome.NO_CHANGE: _Shown("", "▫️"),
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
        for name, point, outcome, *rest in _rows(codec):
            told = Text(outcome, style=_SHOWN[Outcome(outcome)].colour)
            table.add_row(Text(name), Text(point), told, *map(Text, rest))
    return table


def _rows(codec: CodecVerdict) -> Iterator[tuple[str, ...]]:
    what = f"{len(codec.points)} points"
    if codec.causes:
        what = "likely cause: " + "; ".join(codec.causes)
    yield codec.codec, "", codec.outcome, "", "", _bd_rate(codec), what
    for point in codec.points:
        if point.outcome != Outcome.NO_CHANGE:
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
    status = (Outcome.IMPROVEMENT, Outcome.REGRESSION, Outcome.MISSING)[report.exit_status]
    lines = [
        f"### {_SHOWN[status].sign} Rate-distortion check: {_cell(report.suite)}",
        "",
        _cell(verdict_line(report)) + ".",
        "",
    ]
    if report.codecs:
        lines += ["| codec | outcome | BD-rate | likely cause |", "| --- | --- | ---: | --- |"]
    for codec in report.codecs:
        outcome = f"{_SHOWN[codec.outcome].sign} {codec.outcome}"
        lines.append(_row(codec.codec, outcome, _bd_rate(codec), "; ".join(codec.causes)))
    moved = [point for point in report.points if point.outcome != Outcome.NO_CHANGE]
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

    def add(owner: str, name: str, kind: str = "", **attributes: str) -> ElementTree.Element:
        case = ElementTree.SubElement(suite, "testcase", classname=owner, name=name)
        return ElementTree.SubElement(case, kind, attributes) if kind else case

    for problem in report.problems:
        add("bench.check", "comparable", "error", message=problem)
    for codec in report.codecs:
        owner = f"bench.check.{codec.codec}"
        for name, outcome, detail in _cases(codec):
            if outcome == Outcome.REGRESSION:
                failure = add(owner, name, "failure", message=detail, type=outcome)
                failure.text = f"{detail}; likely cause: {'; '.join(codec.causes)}"
            elif outcome in (Outcome.MISSING, Outcome.INCOMPARABLE):
                add(owner, name, "error", message=detail, type=outcome)
            elif outcome == Outcome.NO_CHANGE:
                add(owner, name)
            else:
                add(owner, name, "system-out").text = f"{outcome}: {detail}"
    for count, path in (("tests", ""), ("failures", "/failure"), ("errors", "/error")):
        suite.set(count, str(len(suite.findall(f"testcase{path}"))))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _cases(codec: CodecVerdict) -> Iterator[tuple[str, Outcome, str]]:
    for point in codec.points:
        yield point.point, point.outcome, point.detail
    if (shift := codec.bd_rate) is not None:
        outcome = Outcome.IMPROVEMENT if shift.better else Outcome.NO_CHANGE
        outcome = Outcome.REGRESSION if shift.worse else outcome
        yield "BD-rate", outcome, f"BD-rate {shift.mean:+.2f} % (tolerance {shift.tolerance:g} %)"


def github_annotations(report: CheckReport) -> str:
    """GitHub workflow commands: errors for regressions and for what is not comparable, warnings
    for what is missing."""
    lines = [_annotation("error", "cannot compare", problem) for problem in report.problems]
    for codec in report.codecs:
        cause = f" (likely cause: {'; '.join(codec.causes)})" if codec.causes else ""
        for name, outcome, detail in _cases(codec):
            if kind := _SHOWN[outcome].annotation:
                title = f"{outcome}: {codec.codec} {name}"
                lines.append(_annotation(kind, title, f"{detail}{cause}"))
    return "".join(f"{line}\n" for line in lines)


def _annotation(kind: str, title: str, message: str) -> str:
    """Escaped as GitHub's workflow commands want it: %, line ends, and : and , in properties."""
    message = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    title = title.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{kind} title={title.replace(':', '%3A').replace(',', '%2C')}::{message}"
