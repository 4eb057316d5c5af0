"""How codecs are drawn: apart from each other, learned ones over the field, far ones outside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.overlays import ExtraCurve
from bench.analysis.qualities import quality
from bench.figures.direct_labels import spread
from bench.figures.style import STYLES
from bench.records import Record
from bench.report.axis_range import axis_range
from bench.report.card_facts import card_notes
from bench.report.content import Content, collect
from bench.report.line_styles import line_styles
from bench.report.plots import draw_curves
from bench.results.run_info import RunInfo
from tests.unit.report.samples import curve_records, record, results_folder

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
    assert plain.outside == ""
    assert shown.outside == "Outside the axes: far 5.0–8.0 dB"
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
    assert shown is not None and shown.outside == ""
    assert shown.quality[0] == pytest.approx(5.0)


def test_published_curves_are_named_at_their_ends_and_not_in_the_legend(tmp_path: Path) -> None:
    folder = results_folder(tmp_path, curve_records("good", 1.0))
    extras = [
        ExtraCurve(f"theirs{i}", "published", (0.3, 1.0), {"psnr_rgb": (30.0, 34.0 + 0.01 * i)})
        for i in range(5)
    ]
    axes = draw_curves(collect(folder, extras=extras), PSNR, STYLES["paper"]).axes[0]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["good"]
    texts = {text.get_text() for text in axes.texts}
    assert texts == {"published:", *(f"theirs{i}" for i in range(5))}


def test_labels_are_apart_and_in_order() -> None:
    places = spread([0.1, 0.5, 0.5, 0.51, 0.98], 0.05, 0.95)
    assert (np.diff(places) >= 0.05 - 1e-12).all()
    assert places[0] == 0.1 and max(places) <= 0.95
    assert spread([], 0.05, 0.95) == []


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
