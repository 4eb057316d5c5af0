"""How codecs are drawn: apart from each other, learned ones over the field, far ones outside."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from bench.analysis.overlays import ExtraCurve
from bench.analysis.qualities import quality
from bench.figures.style import STYLES
from bench.records import Record
from bench.report.axis_range import axis_range
from bench.report.card_facts import card_notes
from bench.report.content import Content, collect
from bench.report.line_styles import line_styles
from bench.report.plots import curve_plot
from bench.results.run_info import RunInfo
from tests.unit.report.samples import curve_records, draw_curves, record, results_folder

PSNR = quality("psnr_rgb")


def _networks(*names: str):
    def change(run: RunInfo) -> RunInfo:
        codecs = (i if i.id in names else replace(i, complexity={}) for i in run.codecs)
        return replace(run, codecs=tuple(codecs))

    return change


def _content(folder: Path, records: list[Record], *networks: str) -> Content:
    return collect(results_folder(folder, records, change=_networks(*networks)))


def test_no_two_of_ten_codecs_share_a_colour_and_the_learned_stand_out(tmp_path: Path) -> None:
    names = ["good", *(f"codec{i}" for i in range(10)), "net", "other-net"]
    records = [row for i, name in enumerate(names) for row in curve_records(name, 1.0 + 0.1 * i)]
    found = line_styles(_content(tmp_path, records, "net", "other-net"))
    assert len({look.colour for look in found.values()}) == len(names)
    assert found["good"].weight == "anchor"
    assert {name for name in names if found[name].weight == "learned"} == {"net", "other-net"}


def test_many_codecs_differ_by_marker_where_colours_repeat(tmp_path: Path) -> None:
    names = ["good", *(f"codec{i}" for i in range(24))]
    records = [row for name in names for row in curve_records(name, 1.0, items=1, points=2)]
    found = line_styles(_content(tmp_path, records)).values()
    assert len({(look.colour, look.marker) for look in found}) == len(names)


def test_nothing_stands_out_where_all_are_networks(tmp_path: Path) -> None:
    records = curve_records("good", 1.0) + curve_records("net", 1.5)
    found = line_styles(_content(tmp_path, records, "good", "net"))
    assert found["net"].weight == "field"


def _far_below(codec: str, psnr: float) -> list[Record]:
    return [
        record(codec, f"q={q}", f"item{i}", 0.3 * 2**q, psnr + q)
        for q in range(4)
        for i in range(6)
    ]


def test_a_codec_far_below_the_rest_is_said_and_does_not_squash_the_axis(tmp_path: Path) -> None:
    near = [row for name in ("good", "b", "c") for row in curve_records(name, 1.0)]
    plain = axis_range(_content(tmp_path / "a", near), PSNR)
    shown = axis_range(_content(tmp_path / "b", near + _far_below("far", 5.0)), PSNR)
    assert plain is not None and shown is not None
    assert plain.note == ""
    assert shown.note == "Outside the axes: far 5.0–8.0 dB"
    assert shown.quality == plain.quality and shown.rate == plain.rate


def test_the_plot_says_what_lies_outside(tmp_path: Path) -> None:
    near = [row for name in ("good", "b", "c") for row in curve_records(name, 1.0)]
    content = _content(tmp_path, near + _far_below("far", 5.0))
    figure = draw_curves(content, PSNR, STYLES["paper"])
    assert [text.get_text() for text in figure.texts] == ["Outside the axes: far 5.0–8.0 dB"]
    assert figure.axes[0].get_ylim()[0] > 20


def test_two_curves_that_hardly_meet_are_both_shown_whole(tmp_path: Path) -> None:
    content = _content(tmp_path, curve_records("good", 1.0) + _far_below("far", 5.0))
    shown = axis_range(content, PSNR)
    assert shown is not None and shown.note == ""
    assert shown.quality[0] == pytest.approx(5.0)


def _lone(codec: str, psnr: float, bpp: float) -> list[Record]:
    return [record(codec, "q=99", f"item{i}", bpp, psnr) for i in range(6)]


def test_a_lone_point_far_out_is_an_arrow_at_the_edge_and_said(tmp_path: Path) -> None:
    near = [row for name in ("good", "b", "c") for row in curve_records(name, 1.0)]
    plain = axis_range(_content(tmp_path / "a", near), PSNR)
    # that of c lies near the others' qualities, for which no axis is stretched either
    far = [*_lone("b", 60.0, 90.0), *_lone("point", 34.0, 200.0), *_lone("c", 28.0, 0.001)]
    records = [*near, *far]
    content = _content(tmp_path / "b", records)
    shown, plot = axis_range(content, PSNR), curve_plot(content, PSNR)
    assert plain is not None and shown is not None and plot is not None
    assert (shown.rate, shown.quality) == (plain.rate, plain.quality)
    assert shown.note == "Outside the axes: b 60.0 dB; c 28.0 dB; point 200 bpp"
    turns = {line.label: [edge.turn for edge in plot.exits(line)] for line in plot.lines}
    assert turns == {"good": [], "b": [90], "c": [180], "point": [0]}
    drawn = draw_curves(content, PSNR, STYLES["ieee"]).axes[0].get_lines()
    arrows = {line.get_label(): line.get_marker() for line in drawn if len(line.get_xdata()) == 1}
    assert arrows["_outside: b"] == "^" and arrows["_outside: point"] == ">"


def test_the_axis_holds_the_whole_anchor_and_what_half_of_the_codecs_share(tmp_path: Path) -> None:
    """A curve of 6 dB a doubling; three others start 12 dB above the anchor, one ends far above."""
    low = [record("good", f"q={q}", f"item{i}", 0.1 * 2**q, 20.0 + 6 * q) for q in range(5)
           for i in range(6)]  # fmt: skip
    others = [row for name in ("b", "c", "d") for row in _shifted(name, 32.0, 5)]
    shown = axis_range(_content(tmp_path, [*low, *others, *_shifted("e", 74.0, 2)]), PSNR)
    assert shown is not None
    assert shown.quality == pytest.approx((20.0, 56.0))
    assert shown.rate == pytest.approx((0.1, 6.4))


def _shifted(codec: str, psnr: float, points: int) -> list[Record]:
    return [
        record(codec, f"q={q}", f"item{i}", 0.1 * 2 ** ((psnr - 20) / 6 + q), psnr + 6 * q)
        for q in range(points)
        for i in range(6)
    ]


THEIRS = tuple(
    ExtraCurve(f"theirs-of-a-long-name-{i}", "published", (0.3, 1.0), {"psnr_rgb": (30.0, 34.0)})
    for i in range(14)
)


def test_published_curves_are_dashed_in_the_legend_with_marks_of_their_own(tmp_path: Path) -> None:
    folder = results_folder(tmp_path, curve_records("good", 1.0))
    axes = draw_curves(replace(collect(folder), extras=THEIRS), PSNR, STYLES["paper"]).axes[0]
    legend = axes.get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["good", *(f"{theirs.name} (published)" for theirs in THEIRS)]
    drawn = axes.get_lines()[1:]
    assert {line.get_linestyle() for line in drawn} == {"--"}
    assert len({(line.get_marker(), line.get_color()) for line in drawn}) == len(THEIRS)
    assert not axes.texts


@pytest.mark.parametrize("style", STYLES)
def test_all_text_lies_within_the_figure_at_7_points_or_more(tmp_path: Path, style: str) -> None:
    names = ["good", *(f"codec:preset=slow,number={i}" for i in range(20))]
    records = [row for name in names for row in curve_records(name, 1.0, items=1, points=3)]
    far = [row for i in range(5) for row in _far_below(f"WHAT IS AS WIDE AS CAPITALS {i}", 5.0)]
    folder = results_folder(tmp_path, [*records, *far], items=6)
    with rc_context(STYLES[style].settings):
        plain = draw_curves(collect(folder), PSNR, STYLES[style])
        figure = draw_curves(replace(collect(folder), extras=THEIRS), PSNR, STYLES[style])
        FigureCanvasAgg(figure).draw()
        found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
        whole = figure.get_tightbbox()
        axes, below = figure.axes[0], style == "ieee"
        parts = [axes.xaxis.label, *([axes.get_legend()] if below else []), *figure.texts]
        boxes = [part.get_window_extent() for part in parts]
    assert len(found) > 35 and figure.get_figwidth() == STYLES[style].width
    assert min(text.get_fontsize() for text in found) >= 7
    assert whole.x0 >= 0 and whole.x1 <= figure.get_figwidth()
    assert whole.y0 >= 0 and whole.y1 <= figure.get_figheight()
    wide = [one.axes[0].get_position().width * one.get_figwidth() for one in (plain, figure)]
    assert wide[1] >= wide[0]
    # a third of a line between the parts that stand below each other
    assert all((a.y0 - b.y1) * 72 / figure.dpi >= 2.5 for a, b in pairwise(boxes))


def test_twenty_codecs_are_apart_in_grey(tmp_path: Path) -> None:
    """Marker and dash are never both the same; the greys that Pillow makes of neighbours' colours
    (ITU-R BT.601) are far apart."""
    names = ["good", *(f"codec{i}" for i in range(12)), *(f"net{i}" for i in range(8))]
    records = [row for name in names for row in curve_records(name, 1.0, items=1, points=2)]
    found = line_styles(_content(tmp_path, records, *names[13:]))
    assert len({(look.marker, look.dash.page) for look in found.values()}) == len(names)
    for group in (names[1:13], names[13:]):
        grays = [Image.new("RGB", (1, 1), found[name].colour).convert("L").getpixel((0, 0))
                 for name in group]  # fmt: skip
        assert min(abs(a - b) for a, b in pairwise(grays)) >= 30, grays


def test_gray_pictures_have_a_psnr_and_no_colour_space(tmp_path: Path) -> None:
    for channels, title in ((1, "PSNR"), (3, "PSNR-RGB")):
        rows = [replace(row, channels=channels) for row in curve_records("good", 1.0)]
        content = _content(tmp_path / str(channels), rows)
        assert content.axes[0].title == title


def test_the_rate_axis_is_as_asked_for(tmp_path: Path) -> None:
    folder = results_folder(tmp_path, curve_records("good", 1.0))
    for wanted, scale in ((None, "log"), ("log", "log"), ("linear", "linear")):
        content = collect(folder, rate_axis=wanted)
        axes = draw_curves(content, PSNR, STYLES["ieee"]).axes[0]
        assert axes.get_xscale() == scale


def test_the_break_of_jxl_is_explained_once() -> None:
    notes = card_notes(["jxl", "jxl:effort=9", "jpeg"])
    assert len(notes) == 1 and notes[0].startswith("jxl: at quality 18 and below")
