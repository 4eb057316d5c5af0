"""The page that sets estimated rates beside measured ones."""

from pathlib import Path

from bench.learned.pages.estimates import write
from bench.report.content import collect
from bench.report.pages import Page
from tests.unit.report import samples


def _folder(folder: Path, likelihood: float | None) -> Path:
    records = [
        samples.record("vae", "lambda=8", f"item{i}", 0.25, 30.0, bpp_estimated=0.2,
                       bpp_likelihood=likelihood)
        for i in range(2)
    ]  # fmt: skip
    records += [samples.record("vae:refine=9", "lambda=8", "item0", 0.1, 30.0)]
    records += [samples.record("good", "q=1", f"item{i}", 0.5, 28.0) for i in range(2)]
    return samples.results_folder(folder, records)


def test_both_estimates_stand_beside_the_bytes(tmp_path: Path) -> None:
    path = write(collect(_folder(tmp_path, 0.24)), tmp_path, samples.suite()).path
    assert path is not None
    text = path.read_text()
    # 0.25 bpp of 96×64 pixels are 192 bytes; 0.25 / 0.2 and 0.25 / 0.24
    row = "| vae | lambda=8 | 30.00 | 0.2000 | 0.2400 | 0.2500 | 192.0 | +25.0 | +4.2 |"
    assert row in text and "| good " not in text
    # a variation is not another codec
    assert "all other codecs: good at q=1 with 0.5000 bpp and 28.00 dB" in text
    assert "Below it: vae lambda=8 (0.2500 bpp, 30.00 dB)." in text


def test_no_page_where_no_codec_has_both(tmp_path: Path) -> None:
    assert write(collect(_folder(tmp_path, None)), tmp_path, samples.suite()) == Page()
    assert not list(tmp_path.glob("*.md"))
