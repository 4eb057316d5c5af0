"""What LaTeX reads of a report, what a reader chose of it, and the names of codecs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cards import load_registry, read_codec
from bench.cards.choice import Choice
from bench.commands.report import _label
from bench.errors import UsageError
from bench.report.content import Content, collect
from bench.report.latex import write_latex
from bench.report.names import names_of
from bench.report.plots import write_pgfplots
from bench.results.reader import Results
from bench.results.run_info import RunInfo
from tests.unit.report import samples

LONG = "good:coder=pixelsnail,input=vectors,tiling=patches"


def made_folder(tmp_path: Path) -> Path:
    records = [
        *samples.curve_records("good", 1.0),
        *samples.curve_records("near", 0.9, seed=1),
        *samples.curve_records("far_&_wide%", 2.0, seed=2),
        *samples.curve_records(LONG, 1.1, points=1),
        *(samples.record("exact", "mode=only", f"item{i}", 12.0, float("inf")) for i in range(6)),
    ]
    return samples.results_folder(tmp_path / "run", records)


def _content(tmp_path: Path, **fields: object) -> Content:
    return collect(made_folder(tmp_path), choice=replace(Choice(), **fields))


def test_the_best_is_bold_the_second_underlined_and_what_has_no_value_apart(tmp_path: Path) -> None:
    """10 % fewer bits at every quality are a BD-rate of −10, twice the bits one of +100."""
    write_latex(_content(tmp_path, metrics=("psnr_rgb",)), tmp_path)
    table = (tmp_path / "table.tex").read_text()
    first, second = table.split("\\label{tab:made-others}")
    row = {line.split(" &")[0]: line for line in first.splitlines() if " & " in line}
    assert "{\\boldmath$-10.0$}" in row["near"]
    assert "{\\underline{$+0.0$}}" in row["good, anchor"]
    assert "& +100.0 &" in row["far\\_\\&\\_wide\\%"]
    assert "BD-rate in percent against good, by PSNR-RGB" in first
    assert "exact & 12.000 & lossless" in second and "one point" in second
    assert "exact" not in first
    write_latex(_content(tmp_path / "plain", bold="none"), tmp_path)
    assert "boldmath" not in (tmp_path / "table.tex").read_text()


def test_a_choice_orders_codecs_and_metrics_and_measures_against_an_anchor_not_shown(
    tmp_path: Path,
) -> None:
    content = _content(
        tmp_path, codecs=("far_&_wide%", "near"), metrics=("ms_ssim", "psnr_rgb"),
        labels={"near": "Ours"}, xlim=(0.5, 2.0), ylim={"psnr_rgb": (30.0, 36.0)},
    )  # fmt: skip
    assert [row.codec for row in content.rows] == ["far_&_wide%", "near"]
    assert [axis.id for axis in content.axes] == ["ms_ssim_db", "psnr_rgb"]
    assert content.bd.anchor == "good" and content.name("near") == "Ours"
    found = content.bd.find("near", "psnr_rgb")
    assert found is not None and found.rate_percent == pytest.approx(-10, abs=0.01)
    figure = {p.name: p for p in write_pgfplots(content, tmp_path)}["rd_psnr_rgb.tex"].read_text()
    assert all(f"  {limit}," in figure for limit in ("xmin=0.5", "xmax=2", "ymin=30", "ymax=36"))
    assert figure.index("far\\_\\&\\_wide\\%}") < figure.index("{Ours}")


@pytest.mark.parametrize(
    "fields", [{"codecs": ("naer",)}, {"anchor": "naer"}, {"labels": {"naer": "X"}}]
)
def test_a_choice_of_what_is_not_there_is_refused(
    tmp_path: Path, fields: dict[str, object]
) -> None:
    with pytest.raises(UsageError, match=r"no codec 'naer'.*near"):
        _content(tmp_path, **fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ylim": {"psnr": (30.0, 36.0)}}, "ylim of psnr: .*psnr_rgb"),
        ({"xlim": (0.0, 2.0)}, "xlim 0: a logarithmic axis begins above 0"),
        ({"xlim": (50.0, 60.0)}, "xlim 50, 60: no point of psnr_rgb lies there"),
        ({"ylim": {"psnr_rgb": (3.0, 4.0)}}, "ylim 3, 4: no point of psnr_rgb lies there"),
        ({"ylim": {"vmaf": (3.0, 4.0)}}, "ylim of vmaf: known: .*psnr_rgb"),
        ({"anchor": "exact"}, "anchor exact has no lossy point; .* such as good or near"),
        ({"labels": {"near": "A", "good": "A"}}, "label 'A' is given to near, good"),
    ],
)
def test_what_shows_nothing_or_two_things_as_one_is_refused(
    tmp_path: Path, fields: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        write_pgfplots(_content(tmp_path, **fields), tmp_path)


def test_arrows_lie_inside_the_limits_and_a_reader_sees_what_is_outside(tmp_path: Path) -> None:
    """PGFPlots leaves out a mark that lies beyond the limits by the last digit."""
    content = _content(tmp_path, codecs=("near", "near", "good"), xlim=(0.412345678, 1.2345678))
    assert content.results.codecs == ("near", "good")
    figure = {p.name: p for p in write_pgfplots(content, tmp_path)}["rd_psnr_rgb.tex"].read_text()
    limit = {key: float(text) for key, text in re.findall(r"([xy]m..)=([\d.]+)", figure)}
    arrows = re.findall(r"coordinates \{\(([\d.]+),([\d.]+)\)\}", figure)
    assert arrows
    for x, y in arrows:
        assert limit["xmin"] <= float(x) <= limit["xmax"]
        assert limit["ymin"] <= float(y) <= limit["ymax"]
    assert "\n\\rdnote{Outside the axes: " in figure


@pytest.mark.parametrize(
    ("word", "pair"),
    [
        ("jpeg=A=B", ("jpeg", "A=B")),
        ("x265:preset=medium=HEVC, fast", ("x265:preset=medium", "HEVC, fast")),
        ("a:b=1,c=2=X=Y", ("a:b=1,c=2", "X=Y")),
        ("a:by=Text", ("a:by", "Text")),
        *((wrong, None) for wrong in ("jpeg", "jpeg=", "=A")),
    ],
)
def test_a_label_follows_the_id_and_its_settings(word: str, pair: tuple[str, str] | None) -> None:
    if pair is None:
        with pytest.raises(UsageError, match="is not ID=TEXT"):
            _label(word)
    else:
        assert _label(word) == pair


def test_each_curve_has_one_file_by_rising_rate_that_the_figures_read(tmp_path: Path) -> None:
    content = _content(tmp_path)
    written = {path.name: path.read_text() for path in write_pgfplots(content, tmp_path)}
    head, *rows = written["curve_far-wide.dat"].splitlines()
    assert head == "bpp psnr_rgb ssim_db ms_ssim_db"
    rates = [float(row.split()[0]) for row in rows]
    assert rates == sorted(rates) and len(rates) == 5
    named = set(re.findall(r"\{(curve_[^}]+)\}", written["rd_psnr_rgb.tex"]))
    assert named == {name for name in written if name.endswith(".dat")}


def test_variations_are_said_shortly_and_no_two_codecs_alike(tmp_path: Path) -> None:
    """Labels are those of the cards; versions those of the run, without a commit."""
    ids = {
        "x265": "HEVC (x265)",
        "x265:preset=medium": "HEVC (x265, medium)",
        "svtav1:preset=0": "AV1 (SVT, preset 0)",
        "hyperprior:context=none": "Hyperprior (ours, no context)",
        "vtm": "VVC (VTM 9.3)",
        "jpeg:a=on,b=x": "JPEG (a, x)",
        "jpeg:a=x,b=y": "JPEG (a x, b y)",
        "jpeg:a=x,c=y": "JPEG (a x, c y)",
        "mine": "mine",
    }
    records = [row for name in ids for row in samples.curve_records(name, 1.0, items=1, points=2)]

    def versioned(run: RunInfo) -> RunInfo:
        versions = {"VTM": "9.3-4-g471fbd95b2"}
        return replace(run, codecs=tuple(replace(c, versions=versions) for c in run.codecs))

    folder = samples.results_folder(tmp_path, records, anchor="x265", change=versioned)
    results: Results = collect(folder).results
    assert {c: names_of(results, load_registry(), {})[c] for c in ids} == ids
    chosen = names_of(results, load_registry(), {"vtm": "VVC (VTM {VTM}), {none} RA"})
    assert chosen["vtm"] == "VVC (VTM 9.3), RA"
    assert names_of(results, load_registry(), {"vtm": "{none}"})["vtm"] == "vtm"


def test_every_card_has_a_label_and_no_two_the_same() -> None:
    registry = load_registry()
    labels = {name: read_codec(path).label for name, path in registry.codecs.items()}
    assert all(labels.values()) and len(set(labels.values())) == len(labels)


def test_a_label_is_no_part_of_a_cards_digest() -> None:
    card = load_registry().codec("x265")
    assert replace(card, label="other").digest == card.digest
