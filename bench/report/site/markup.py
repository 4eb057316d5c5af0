"""Elements of the site's pages: text never becomes markup, every address is relative."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from bench.figures.plot import CurvePlot, Line
from bench.report.html.page import filled, resource
from bench.report.line_styles import dark

Node = Element | str
_LEFT, _BOTTOM = 34, 24


def node(tag: str, *children: Node, **attributes: str) -> Element:
    """An element; of attributes ``class_`` is class and ``data_x`` is data-x."""
    made = Element(tag, {name.rstrip("_").replace("_", "-"): value for name, value in
                         attributes.items()})  # fmt: skip
    last: Element | None = None
    for child in children:
        if not isinstance(child, str):
            made.append(child)
            last = child
        elif last is None:
            made.text = (made.text or "") + child
        else:
            last.tail = (last.tail or "") + child
    return made


def link(text: str, address: str) -> Element:
    return node("a", text, href=address)


def prose(text: str, tag: str = "p", **attributes: str) -> Element:
    """A sentence whose commands stand between backticks."""
    parts = (
        node("code", part) if place % 2 else part for place, part in enumerate(text.split("`"))
    )
    return node(tag, *parts, **attributes)


def items(sentences: Sequence[Node]) -> Element:
    return node("ul", *(prose(one, "li") if isinstance(one, str) else node("li", one)
                        for one in sentences))  # fmt: skip


def pairs(rows: Sequence[tuple[str, Node]]) -> Element:
    """A list of names and values; an empty value is left out."""
    shown = [row for row in rows if not (isinstance(row[1], str) and not row[1])]
    return node(
        "dl", *(one for name, value in shown for one in (node("dt", name), node("dd", value)))
    )


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Node]],
    *,
    fixed: Sequence[int] = (),
    keys: Sequence[str] = (),
) -> Element:
    """A table that sorts by its headings, but for the ``fixed`` ones; ``keys`` are ids of rows."""
    looks = [_look([row[place] for row in rows], place) for place in range(len(columns))]
    heads = [
        node(
            "th",
            *_words(name),
            scope="col",
            **look,
            **({"data_sort": "no"} if place in fixed else {}),
        )
        for place, (name, look) in enumerate(zip(columns, looks, strict=True))
    ]
    body = [
        node("tr", *(_cell(*one) for one in zip(row, looks, strict=True)),
             **({"id": keys[place]} if keys else {}))
        for place, row in enumerate(rows)
    ]  # fmt: skip
    made = node("table", node("thead", node("tr", *heads)), node("tbody", *body), class_="sortable")
    return node("div", made, class_="scroll")


def _words(heading: str) -> list[Node]:
    """A heading breaks between its words, not at their hyphens."""
    return [one for word in heading.split() for one in (node("span", word), " ")]


_NUMERIC = re.compile(r"(?:hull |1 point |> )?[-+−–]?\d[^ ]*(?: |$)|–$|anchor$|lossless$")


def _look(cells: Sequence[Node], place: int) -> dict[str, str]:
    """Names wrap early, words stand left, numbers right."""
    words = [cell for cell in cells if isinstance(cell, str)]
    if place == 0:
        return {"class_": "first"}
    if any(len(cell) > 40 for cell in words):
        return {"class_": "text"}
    return {} if words and all(map(_NUMERIC.match, words)) else {"class_": "words"}


def _cell(content: Node, look: dict[str, str]) -> Element:
    kind = {"first": "name", "words": "few"}.get(look.get("class_", ""))
    if isinstance(content, Element) and content.tag == "svg":
        kind = None
    return node("td", node("div", content, class_=kind) if kind else content, **look)


def page(title: str, body: Sequence[Element], *, root: str, about: str) -> str:
    """A whole page; ``root`` is the way to the site's folder, ``about`` stands at its foot."""
    parts = {
        "title": written(node("title", title)), "heading": written(node("h1", title)),
        "main": "".join(map(written, body)), "about": written(node("p", about, class_="hint")),
        "root": root,
    }  # fmt: skip
    return filled(resource("bench.report.site", "page.html"), parts)


def written(element: Element) -> str:
    return ElementTree.tostring(element, encoding="unicode", method="html")


def drawing(plot: CurvePlot, *, width: int = 300, height: int = 170) -> Element:
    """A small figure of the curves, in the colours of the page's scheme."""
    place = _placing(plot, width, height)
    lines = [_line(line, place) for line in sorted(plot.lines, key=lambda one: one.weight)]
    bounds = [
        node("polyline", points=_points(other.rate, other.quality, place), class_="bound")
        for other in plot.others if other.bound
    ]  # fmt: skip
    sign = -1 if plot.falling else 1
    ends = [
        *(_text(f"{rate:.3g}", place(rate, plot.qualities[0])[0], height - 10, anchor)
          for rate, anchor in zip(plot.rates, ("start", "end"), strict=True)),
        *(_text(f"{sign * value:.3g}", _LEFT - 4, place(plot.rates[0], value)[1] + shift, "end")
          for value, shift in zip(plot.qualities, (0, 9), strict=True)),
        _text(plot.rate_label, (width + _LEFT) / 2, height - 10, "middle"),
    ]  # fmt: skip
    frame = node("path", d=f"M{_LEFT},2V{height - _BOTTOM}H{width - 2}", class_="frame")
    across, up = width - _LEFT, height - _BOTTOM
    inside = node("svg", *bounds, *lines, viewBox=f"{_LEFT} 0 {across} {up}", x=str(_LEFT),
                  width=str(across), height=str(up))  # fmt: skip
    return node(
        "svg", frame, inside, *ends, viewBox=f"0 0 {width} {height}", role="img",
        class_="plot", **{"aria-label": f"{plot.quality_label} over {plot.rate_label}"},
    )  # fmt: skip


Placing = Callable[[float, float], tuple[float, float]]


def _placing(plot: CurvePlot, width: int, height: int) -> Placing:
    """Where a rate and a quality lie in the drawing."""
    turned: Callable[[float], float] = float if plot.linear_rate else math.log
    left, right = map(turned, plot.rates)
    low, high = plot.qualities

    def place(rate: float, quality: float) -> tuple[float, float]:
        x = _LEFT + (width - _LEFT - 4) * (turned(rate) - left) / (right - left)
        return x, 4 + (height - _BOTTOM - 4) * (high - quality) / (high - low)

    return place


def _points(rates: Sequence[float], qualities: Sequence[float], place: Placing) -> str:
    places = (place(*one) for one in zip(rates, qualities, strict=True) if one[0] > 0)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _line(line: Line, place: Placing) -> Element:
    colours = f"--light: {line.colour}; --dark: {dark(line.colour)}"
    look = {"class_": f"curve {line.weight}", "style": colours}
    if line.dash is None or len(line.rate) == 1:
        dots = [
            node("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="2.5")
            for x, y in (place(*one) for one in zip(line.rate, line.quality, strict=True))
        ]
        return node("g", node("title", line.label), *dots, **look)
    points = _points(line.rate, line.quality, place)
    return node("g", node("title", line.label), node("polyline", points=points), **look)


def _text(words: str, x: float, y: float, anchor: str) -> Element:
    return node("text", words, x=f"{x:.1f}", y=f"{y:.1f}", **{"text-anchor": anchor})
