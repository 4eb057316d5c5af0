"""Tables of a report for LaTeX: table.tex, its notes, and all points where asked for."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report.chroma import marked
from bench.report.content import Content
from bench.report.footnote import footnote
from bench.report.tables import MINUS, headers_matter, point_table, rate_range, signed

_LONGEST = 45
"""Rows of a table that fit a page."""
_WIDE = 2
"""More BD-rates than these do not fit one column of two."""
PUBLISHED = r"$^\ddagger$"


@dataclass(frozen=True, slots=True)
class _Float:
    """A table with its caption; ``columns`` is the preamble of its tabular."""

    caption: str
    label: str
    columns: str
    head: Sequence[str]
    rows: Sequence[str]
    note: str
    wide: bool

    def lines(self) -> list[str]:
        """Floats of as many rows as a page takes, none wider than the line."""
        found: list[str] = []
        name = "table*" if self.wide else "table"
        for start in range(0, max(1, len(self.rows)), _LONGEST):
            again = " (continued)" if start else ""
            label = f"\\label{{tab:{self.label}}}" if not start else ""
            found += [
                f"\\begin{{{name}}}[t]",
                "\\centering\\footnotesize\\setlength{\\tabcolsep}{3pt}",
                f"\\caption{{{self.caption}{again}}}{label}",
                f"\\sbox0{{\\begin{{tabular}}{{{self.columns}}}",
                "\\toprule", *self.head, "\\midrule", *self.rows[start : start + _LONGEST],
                "\\bottomrule", "\\end{tabular}}%",
                "\\ifdim\\wd0>\\linewidth\\resizebox{\\linewidth}{!}{\\usebox0}"
                "\\else\\usebox0\\fi",
                *([f"\\par\\smallskip\\parbox{{\\linewidth}}{{\\scriptsize {self.note}}}"]
                  if self.note else []),
                f"\\end{{{name}}}",
            ]  # fmt: skip
        return found


def write_latex(content: Content, folder: Path) -> tuple[Path, ...]:
    """table.tex, table_notes.tex and, where chosen, table_points.tex; returns the paths."""
    needs = "% \\usepackage{booktabs,siunitx,graphicx}"
    floats = [table for table in (_main(content), _others(content)) if table is not None]
    texts = {
        "table.tex": [needs, *(line for one in floats for line in one.lines())],
        "table_notes.tex": _notes(content),
    }
    if content.choice.points:
        texts["table_points.tex"] = ["% \\usepackage{booktabs,graphicx}", *_points(content).lines()]
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tuple(folder / name for name in texts)


Column = Mapping[str, float]


def _bd_columns(content: Content) -> dict[str, Column]:
    """By heading the BD-rates of every codec that has one; the anchor's is 0."""
    anchor = content.bd.anchor
    found: dict[str, Column] = {}
    for index, axis in enumerate(content.axes if anchor else ()):
        compared = [c for c in content.bd.comparisons if c.metric == axis.id and c.defined]
        rates = {c.codec: c.rate_percent for c in compared if math.isfinite(c.rate_percent)}
        found[axis.title] = {anchor or "": 0.0, **rates}
        if index == 0 and headers_matter(content):
            bare = {c.codec: c.without_headers_percent for c in compared}
            found["no headers"] = {name: v for name, v in bare.items() if math.isfinite(v)}
    return found


def _names(content: Content) -> dict[str, str]:
    """The LaTeX names of measured codecs and, marked, of published curves, in their order; of a
    system published with and without rounding to 8 bit the rounded one alone, as in plots."""
    names = {
        row.codec: latex(marked(content, row.codec)) + "*" * row.incomplete
        + ", anchor" * (row.codec == content.bd.anchor)
        for row in content.rows
    }  # fmt: skip
    rounded = {one.curve.name for one in content.published}
    return names | {
        one.codec: latex(f"{one.curve.name.removesuffix('@8bit')} (published)") + PUBLISHED
        for one in content.published
        if f"{one.curve.name}@8bit" not in rounded
    }


def _counts(content: Content) -> dict[str, str]:
    """Over how many items each row is, where a suite measures some codecs on fewer."""
    limited = any(row.items_expected < content.results.run.items for row in content.rows)
    return {row.codec: str(row.items) for row in content.rows} if limited else {}


def _main(content: Content) -> _Float | None:
    """BD-rates of all that have one, the interval of the first."""
    columns, names, counts = _bd_columns(content), _names(content), _counts(content)
    valued = [name for name in names if any(name in column for column in columns.values())]
    if not columns or not valued:
        return None
    intervals = _intervals(content)
    order = _placed(content, columns)
    rows: list[str] = []
    for codec in valued:
        if rows and codec not in content.names and r"\midrule" not in rows:
            rows.append(r"\midrule")
        cells = [names[codec], *([counts.get(codec, "--")] if counts else [])]
        for index, (title, column) in enumerate(columns.items()):
            cells.append(_value(column.get(codec), order[title].get(codec)))
            cells += [intervals.get(codec, "")] if intervals and index == 0 else []
        rows.append(" & ".join(cells) + r" \\")
    shapes = [_shape(column) for column in columns.values()]
    titles = [f"{{{latex(title)}}}" for title in columns]
    if intervals:
        shapes.insert(1, "r")
        titles[0] = f"\\multicolumn{{2}}{{c}}{titles[0]}"
    first = ["Codec", *([content.item_word.capitalize()] if counts else [])]
    run, anchor = content.results.run, content.name(content.bd.anchor or "")
    metrics = ", ".join(axis.title for axis in content.axes)
    caption = content.choice.caption or (
        f"{run.suite_title}. BD-rate in percent against {anchor}, by {metrics}"
    )
    return _Float(
        latex(caption), _label(run.suite), "l" + "r" * bool(counts) + "".join(shapes),
        [" & ".join([*first, *titles]) + r" \\"], rows, _note(content),
        wide=len(content.axes) > _WIDE,
    )  # fmt: skip


def _shape(column: Column) -> str:
    digits = max((len(f"{abs(value):.0f}") for value in column.values()), default=1)
    return (
        f"S[table-format=+{digits}.1,retain-explicit-plus,"
        "table-number-alignment=right,table-text-alignment=right]"
    )


def _placed(content: Content, columns: Mapping[str, Column]) -> dict[str, dict[str, int]]:
    """The measured codecs that are first (0) and second (1) of each column."""
    if content.choice.bold == "none":
        return {title: {} for title in columns}
    found = {}
    for title, column in columns.items():
        measured = {codec: round(column[codec], 1) for codec in content.results.codecs
                    if codec in column}  # fmt: skip
        values = sorted(set(measured.values()))[:2] if len(measured) > 1 else []
        found[title] = {c: values.index(v) for c, v in measured.items() if v in values}
    return found


def _value(value: float | None, place: int | None) -> str:
    if value is None:
        return "{--}"
    text = signed(value).replace(MINUS, "-").replace("> ", ">")
    if place is None:
        return text if text.startswith(("+", "-")) else f"{{${text}$}}"
    return f"{{\\boldmath${text}$}}" if place == 0 else f"{{\\underline{{${text}$}}}}"


def _intervals(content: Content) -> dict[str, str]:
    found = {}
    for c in content.bd.comparisons:
        if c.metric == content.axes[0].id and c.defined and math.isfinite(c.rate_low):
            ends = ", ".join(signed(end).replace(MINUS, "-") for end in (c.rate_low, c.rate_high))
            found[c.codec] = f"\\scriptsize$[{ends}]$"
    return found


def _note(content: Content) -> str:
    """How to read the table, and what its marks mean: a sentence each."""
    ranked = "" if content.choice.bold == "none" else "; best in bold, second underlined"
    brackets = ", in brackets the 95 % interval on the first metric" if _intervals(content) else ""
    counted = content.counted(content.results.run.items)
    first = f"BD-rate of {counted}: negative saves bits{brackets}{ranked}."
    names = "".join(_names(content).values())
    marks = [
        ("*", f"*: over fewer {content.item_word}, or with failures"),
        (r"^\dagger", "$^\\dagger$: RGB coded in 4:2:0"),
        (r"^\ddagger", f"{PUBLISHED}: published by others, not measured here and not ranked"),
    ]
    told = "; ".join(text for sign, text in marks if sign in names)
    return f"{latex(first)} {told}." if told else latex(first)


def _others(content: Content) -> _Float | None:
    """What has no BD-rate: lossless codecs, single points, curves with only that of their hulls."""
    columns, names, counts = _bd_columns(content), _names(content), _counts(content)
    rest = [name for name in names if not any(name in column for column in columns.values())]
    if not rest:
        return None
    unit = "bit/symbol" if content.results.run.media == "vector" else "bpp"
    axes = content.axes if content.bd.anchor else ()
    rows = []
    for codec in rest:
        kind, values = _without(content, codec, [axis.id for axis in axes])
        row = next((row for row in content.rows if row.codec == codec), None)
        rate = latex(rate_range(row)) if row else "--"
        cells = [names[codec], *([counts.get(codec, "--")] if counts else []), rate]
        cells += [kind, *values] if axes else []
        rows.append(" & ".join(cells) + r" \\")
    head = ["Codec", *([content.item_word.capitalize()] if counts else []), f"Rate, {unit}"]
    head += ["", *(latex(axis.title) for axis in axes)] if axes else []
    run = content.results.run
    of = (
        f"{run.suite_title}. Codecs without a BD-rate; rate in percent against "
        f"{content.name(content.bd.anchor or '')} at equal quality, where there is one"
    )
    caption = of if axes else content.choice.caption or run.suite_title
    spec = "l" + "r" * bool(counts) + "r" + ("l" + "r" * len(axes) if axes else "")
    label = _label(run.suite) + ("-others" if columns else "")
    return _Float(latex(caption), label, spec, [" & ".join(head) + r" \\"], rows, "",
                  wide=len(axes) > _WIDE)  # fmt: skip


def _without(content: Content, codec: str, axes: Sequence[str]) -> tuple[str, list[str]]:
    """Why a codec has no BD-rate, and by metric what stands in its place."""
    found = [content.bd.find(codec, axis) for axis in axes]
    row = next((row for row in content.rows if row.codec == codec), None)
    if row is None:
        return "drawn only", ["--"] * len(axes)
    if row.lossless:
        return "lossless", ["--"] * len(axes)
    rates = [c.single.rate_percent if c and c.single else c.hull_percent if c else math.nan
             for c in found]  # fmt: skip
    kind = "one point" if row.points == 1 else "hull" if any(map(math.isfinite, rates)) else ""
    return kind, [latex(signed(rate)) for rate in rates]


def _points(content: Content) -> _Float:
    """All points, as ``--points`` asks for."""
    columns, rows = point_table(content)
    return _Float(
        latex(f"{content.results.run.suite_title}: all points"),
        f"{_label(content.results.run.suite)}-points", "ll" + "r" * (len(columns) - 2),
        [_row(columns)], [_row(row) for row in rows], "", wide=True,
    )  # fmt: skip


def _notes(content: Content) -> list[str]:
    """Conventions, presets and versions, for where there is room: an appendix."""
    sentences = [breakable(latex(sentence)) for sentence in footnote(content)]
    return [
        r"\begingroup\footnotesize\tolerance=9999\emergencystretch=3em\hbadness=10000",
        *(f"{sentence}\\par" for sentence in sentences),
        r"\endgroup",
    ]


def breakable(text: str) -> str:
    """Names and versions that are longer than a line may break after their signs."""
    return re.sub(r"(?<=[,:=/@;])(?=[\w+-])|(?<=\\_)", r"\\allowbreak{}", text)


def _row(cells: Sequence[str]) -> str:
    return " & ".join(map(latex, cells)) + r" \\"


def _label(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in text)


_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", MINUS: "$-$", "–": "--", "…": r"\ldots{}",
    "×": r"$\times$", "·": r"$\cdot$", "±": r"$\pm$", "\0": "$_{10}$",
    "|": r"\textbar{}", "[": "{[}", "\t": " ",
    "²": "$^2$", "³": "$^3$", "†": r"$^\dagger$", "→": r"$\rightarrow$", "≤": r"$\le$",
    "≥": r"$\ge$", "≈": r"$\approx$", "µ": r"$\mu$",
    **{unicodedata.lookup(f"GREEK SMALL LETTER {name.replace('lambda', 'lamda')}"): f"$\\{name}$"
       for name in "alpha beta gamma delta epsilon lambda mu pi rho sigma tau".split()},
}  # fmt: skip
_LETTERS = frozenset("—‘’“”ßæÆøØåÅœŒłŁı")
_ACCENTS = frozenset("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327")
"""What the fonts of every LaTeX have beside ASCII, as letters and as accents over them."""


def latex(text: str) -> str:
    """Text with everything that LaTeX would read as a command escaped; signs that its fonts do
    not have as their numbers."""
    lines = unicodedata.normalize("NFC", text).replace("₁₀", "\0").splitlines()
    return "".join(map(_tex, " ".join(lines)))


def _tex(sign: str) -> str:
    first, *accents = list(unicodedata.normalize("NFD", sign))
    plain = first.isascii() and first.isprintable() and _ACCENTS.issuperset(accents)
    return _TEX.get(sign) or (sign if plain or sign in _LETTERS else f"U+{ord(sign):04X}")
