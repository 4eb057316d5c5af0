"""RD curves as a PGFPlots axis for LaTeX; computes no numbers."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.qualities import Floats, Quality
from bench.report.axis_range import AxisRange, finite_points
from bench.report.content import Content
from bench.report.line_styles import line_styles
from bench.report.tables import latex


def pgfplots(content: Content, axis: Quality, shown: AxisRange) -> str:
    """A PGFPlots axis with the measured curves and, dashed, those of others."""
    kind = "axis" if content.linear_rate else "semilogxaxis"
    low, high = sorted(axis.sign * end for end in shown.padded())
    limits = f"ymin={low:.4g}, ymax={high:.4g}, "
    turned = "y dir=reverse, " if axis.falling else ""
    title = axis.info.title if axis.falling else axis.title
    lines = [
        "% \\usepackage{pgfplots}",
        *([f"% {shown.note}"] if shown.note else []),
        "\\begin{tikzpicture}",
        f"\\begin{{{kind}}}[xlabel={{Rate ({content.rate_unit})}}, "
        f"ylabel={{{latex(title)} ({axis.unit or '1'})}}, {turned}grid=major, "
        f"{limits if shown.outside else ''}"
        "legend pos=outer north east, log ticks with fixed point]",
    ]
    styles = line_styles(content)
    for codec in content.results.codecs:
        rate, quality = finite_points(content, codec, axis)
        if rate.size:
            style = styles[codec]
            colour = style.colour.removeprefix("#")
            name = f"c{colour}"
            lines.append(f"\\definecolor{{{name}}}{{HTML}}{{{colour}}}")
            lines += _curve(codec, rate, axis.sign * quality, f"[{name}, {style.dash.pgf}, mark=*]")
    for extra in content.extras:
        values = extra.quality(axis)
        if values is not None:
            turned_values = [axis.sign * value for value in values]
            lines += _curve(extra.name, extra.rate, turned_values, "[dashed, black!60]")
    lines += [f"\\end{{{kind}}}", "\\end{tikzpicture}"]
    return "\n".join(lines) + "\n"


def _curve(
    name: str, rate: Sequence[float] | Floats, quality: Sequence[float] | Floats, options: str
) -> list[str]:
    points = " ".join(f"({r:.6g},{q:.6g})" for r, q in zip(rate, quality, strict=True))
    return [
        f"\\addplot{options} coordinates {{{points}}};",
        f"\\addlegendentry{{{latex(name)}}}",
    ]
