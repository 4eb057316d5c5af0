"""The vector-quantisation paper's tables from made-up records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.errors import UsageError
from bench.learned.pages.vector_quantisation import published, rate_at, write
from bench.records import Record
from bench.report.content import collect
from bench.report.pages import Page
from bench.results.run_info import RunInfo
from tests.unit.report.samples import record, results_folder, suite

RATES = {
    "coder=fixed": 0.70,
    "coder=zlib": 0.65,
    "coder=pixelsnail": 0.50,
    "coder=pixelsnail,input=vectors": 0.52,
    "coder=transformer": 0.51,
}


def _run(dataset: str) -> object:
    def change(run: RunInfo) -> RunInfo:
        infos = []
        for info in run.codecs:
            words = dict(word.split("=") for word in info.id.partition(":")[2].split(",") if word)
            settings = {"codes": 512, "dim": 64, "coder": "adaptive", "input": "indices", **words}
            settings = words if info.id.startswith("hyperprior") else settings
            infos.append(replace(info, settings=settings, versions={"weights": "0" * 64}))
        return replace(run, dataset=dataset, codecs=tuple(infos))

    return change


def _folder(
    folder: Path,
    dataset: str,
    psnr: float = 27.0,
    factor: float = 1.0,
    extra: Sequence[Record] = (),
) -> Path:
    records = list(extra)
    for item in range(4):
        for index, (words, rate) in enumerate(RATES.items()):
            # one image where vectors win
            less = 0.05 if item == 0 and "vectors" in words else 0.0
            rate = factor * (rate + 0.01 * item - less)
            estimate = rate / 1.002 if index > 1 else None
            codec = f"vqvae2-512:{words},tiling=patches"
            records.append(
                record(codec, "mode=only", f"i{item}", rate, psnr, bpp_estimated=estimate)
            )
        for quality, (bpp, db) in enumerate(((0.25, 30.0), (0.5, 33.0), (1.0, 36.0))):
            point = f"quality={quality}"
            records.append(record("hyperprior", point, f"i{item}", factor * bpp, db))
    return results_folder(folder, records, anchor=None, change=_run(dataset))


def test_the_table_and_the_answers_come_from_the_records(tmp_path: Path) -> None:
    results = collect(_folder(tmp_path / "kodak", "kodak"))
    path = write(results, tmp_path / "kodak", suite()).path
    assert path is not None
    text = path.read_text(encoding="utf-8")
    assert (
        "| VQ-PixelSNAIL-1 | 512 × 64 | indices | 29.99 | 0.47 | 0.77 | 27.00 | 0.515 | 0.514 | "
        "0.665 |" in text
    )
    assert (
        "| VQ-PixelSNAIL-2 | 2048 × 256 | vectors | 30.62 | 0.55 | 0.90 | – | – | – | – |" in text
    )
    # between 0.25 bpp at 30 dB and 0.5 at 33 dB, straight in log rate
    expected = 0.25 * 2 ** (2.17 / 3)
    assert (
        f"| Conv-HyperPrior | – | – | 32.17 | 1.11 | – | 32.17 | {expected:.3f} | – | – |" in text
    )
    assert (
        "zlib below the 16-bit indices that it is given, 512 codes: yes, 0.665 against 1.250 bpp; "
        "below 9 bits an index: yes, 0.665 against 0.715 bpp (-7.0 %), on 4 of 4 images." in text
    )
    assert "on 4 of 4 images; the stream is +0.20 % off its Shannon estimate" in text
    change = [0.47 / 0.50 - 1, 0.53 / 0.51 - 1, 0.54 / 0.52 - 1, 0.55 / 0.53 - 1]
    assert f"pixelsnail, vectors needs {100 * np.mean(change):+.2f} ± " in text
    assert "95 % interval over 4 images): undecided." in text
    assert "pixelsnail, indices is ahead" in text
    assert "VQ-PixelSNAIL-1 beside the paper's: -2.99 dB at +10 % rate." in text
    assert "vimeo90k was not measured beside this folder" in text
    assert "vqvae2-512 weights: no model card of these weights" in text


def test_refined_codes_have_rows_of_their_own(tmp_path: Path) -> None:
    plain, more = tmp_path / "plain" / "kodak", tmp_path / "more" / "kodak"
    words = "vqvae2-512:coder=pixelsnail,input=vectors,refine=50,tiling=patches"
    added = [
        record(words, "mode=only", f"i{item}", 0.53, 30.09, bpp_estimated=0.529)
        for item in range(4)
    ]
    for quality, (bpp, db) in enumerate(((0.2, 30.0), (0.4, 33.0))):
        for item in range(4):
            point, name = f"quality={quality}", f"i{item}"
            added.append(record("hyperprior:refine=30", point, name, bpp, db))
            added.append(record("hyperprior:context=none", point, name, 1.35 * bpp, db))
    pages = []
    for folder, extra in ((plain, []), (more, added)):
        path = write(collect(_folder(folder, "kodak", extra=extra)), folder, suite()).path
        assert path is not None
        pages.append(path.read_text(encoding="utf-8").splitlines())
    new = [line for line in pages[1] if line not in pages[0]]
    assert new == [
        "| refined, 50 steps | 512 × 64 | vectors | – | – | – | 30.09 | 0.530 | 0.529 | – |",
        "- Codes refined by the encoder in 50 steps, 512 codes with pixelsnail, vectors: +3.09 dB "
        "at +1.4 % rate beside those of the network alone; +0.10 dB at +13 % rate beside "
        "VQ-PixelSNAIL-1 and +1.18 dB at -24 % rate beside VQ-PixelSNAIL-3.",
        "- Without context, as in the paper: 0.446 bpp, +8.0 %.",
        "- Its latents refined by the encoder in 30 steps: 0.330 bpp, -20.0 %.",
    ]
    assert set(pages[0]) <= set(pages[1])


def test_the_other_data_set_beside_gives_the_generalisation(tmp_path: Path) -> None:
    _folder(tmp_path / "vimeo90k", "vimeo90k", psnr=30.0, factor=0.8)
    results = collect(_folder(tmp_path / "kodak", "kodak"))
    path = write(results, tmp_path / "kodak", suite()).path
    assert path is not None
    assert (
        "From Vimeo-90k to Kodak, VQ-PixelSNAIL-1: -3.00 dB and +25 % rate here; "
        "-5.79 dB and +24 % rate in the paper." in path.read_text(encoding="utf-8")
    )


def test_other_codecs_get_no_comparison_and_other_data_sets_are_refused(tmp_path: Path) -> None:
    plain = [record("jpeg", "quality=5", "i", 1.0, 30.0)]
    folder = results_folder(tmp_path / "b", plain, anchor=None, change=_run("kodak"))
    assert write(collect(folder), tmp_path, suite()) == Page()
    with pytest.raises(UsageError, match=r"suite made: the paper has no table for .*'starter'"):
        write(collect(_folder(tmp_path / "a", "starter")), tmp_path, suite())


def test_a_rate_is_never_extrapolated() -> None:
    curve = [(0.25, 30.0), (1.0, 36.0)]
    assert rate_at(curve, 33.0) == pytest.approx(0.5)
    assert np.isnan(rate_at(curve, 36.1)) and np.isnan(rate_at([], 33.0))


def test_the_papers_figures() -> None:
    rows = {row.model: row for row in published("kodak")}
    assert (rows["VQ-PixelSNAIL-2"].psnr, rows["VQ-PixelSNAIL-2"].zlib) == (30.62, 0.90)
    assert [row.model for row in published("vimeo90k")] == list(rows)
