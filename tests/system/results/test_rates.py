"""A rate that is no measured size is marked in every file of a report, from the run on."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from bench.cli import main
from bench.results.rates import mark_rates
from tests.pictures import picture

ROOT = Path(__file__).resolve().parents[3]
NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.0))

    def forward(self, x):
        bits = torch.full_like(x[:, :1], 0.5 ** float(1 + self.scale))
        return {"x_hat": x + (4 - self.scale) / 50, "likelihoods": {"y": bits}}

if __name__ == "__main__":
    for q in range(4):
        net = Net()
        net.scale.data.fill_(q)
        torch.save(net.state_dict(), f"net-{q}.pth")
"""
CARD = """
title = "{0}"
adapter = "bench.codecs.{1}"
media = ["image"]
[settings]
{2}
[ladder]
q = [0, 1, 2, 3]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a network without streams, of reported sizes and of JPEG."""
    home = tmp_path_factory.mktemp("rates")
    (home / "estnet.py").write_text(NET)
    subprocess.run([sys.executable, "estnet.py"], cwd=home, check=True)
    rows = ["item,point,bytes"]
    for item in ("one", "two"):
        for place in ("in", "out"):
            (home / place).mkdir(exist_ok=True)
        Image.fromarray(picture(64, 64)).save(home / "in" / f"{item}.png")
        for q in range(4):
            coded = Image.fromarray(picture(64, 64, noise_level=9 - q))
            coded.save(home / "out" / f"{item}-{q}.png")
            rows.append(f"{item},{q},{300 + 100 * q}")
    (home / "sizes.csv").write_text("\n".join(rows))
    net = 'model = "estnet:Net"\nweights = "net-{q}.pth"'
    said = 'reconstructions = "out/{item}-{point}.png"\nsizes = "sizes.csv"'
    (home / "cards").mkdir()
    (home / "cards" / "net.toml").write_text(
        CARD.format("Net", "compressai_model:CompressAIModel", net)
    )
    (home / "cards" / "said.toml").write_text(CARD.format("Said", "recorded:Recorded", said))
    done = subprocess.run(
        [sys.executable, "-m", "bench", "run", "--input", "in", "--cards", "cards", "--jobs", "1",
         "--out", "out2", "--codecs", "jpeg:quality=5+20+50+80,net,said"],
        cwd=home, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "net [estimated]" in done.stdout and "said [reported]" in done.stdout
    return home / "out2"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_records_keep_what_is_no_stream_apart(folder: Path) -> None:
    found = {row["codec"]: row for row in rows(folder / "records.csv")}
    assert [found["net"][key] for key in ("rate", "bytes", "bpp")] == ["estimated", "", ""]
    assert float(found["net"]["bpp_estimated"]) == pytest.approx(4.0)
    assert found["net"]["bitstream_sha256"] == found["net"]["decode_seconds"] == ""
    assert (found["said"]["rate"], found["said"]["bytes"]) == ("reported", "600")
    assert found["jpeg"]["rate"] == ""


def test_every_table_shows_the_mark(folder: Path) -> None:
    for name in ("curves.csv", "bd.csv", "bd_matrix.csv"):
        for row in rows(folder / name):
            for word in (row["codec"], row.get("anchor", "")):
                assert word not in ("net", "said"), name
    for name in ("table.md", "table.tex", "report.html"):
        # in LaTeX brackets stand in braces, or they would be an option of a line break
        text = (folder / name).read_text().replace("{[}", "[").replace("{]}", "]")
        assert "[estimated]" in text and "[reported]" in text, name


def test_an_estimate_never_stands_in_the_column_of_rates(folder: Path) -> None:
    curves = rows(folder / "curves.csv")
    estimated = [row for row in curves if row["codec"] == "net [estimated]"]
    assert estimated and len(estimated) < len(curves)
    assert all(float(row["bpp_estimated"]) > 0 and row["bpp"] == "" for row in estimated)
    assert all(row["bpp"] for row in curves if row not in estimated)


def test_they_are_compared_under_their_mark(folder: Path) -> None:
    compared = {row["codec"]: row["bd_rate"] for row in rows(folder / "bd.csv")}
    assert set(compared) == {"net [estimated]", "said [reported]"}


def test_check_guards_an_estimate_too(folder: Path, tmp_path: Path) -> None:
    assert main(["check", str(folder), "--against", str(tmp_path / "base"), "--update"]) == 0
    assert main(["check", str(folder), "--against", str(tmp_path / "base")]) == 0
    worse = shutil.copytree(folder, tmp_path / "worse")
    table = (worse / "records.csv").read_text()
    (worse / "records.csv").write_text(table.replace(",4.0,", ",4.4,"))
    assert main(["check", str(worse), "--against", str(tmp_path / "base")]) == 1


def test_one_estimate_marks_its_codec_whatever_its_other_rates_are() -> None:
    """The rates of one curve are not told apart, so that it bears the mark of the weakest."""
    import pandas as pd  # large: few processes here need it

    table = pd.DataFrame(
        {
            "codec": pd.Categorical(["net", "net", "net", "jpeg"]),
            "rate": pd.Categorical([None, "reported", "estimated", None]),
            "width": 64, "height": 64, "frames": 1,
            "bpp": [1.0, 2.0, None, 1.0], "bpp_estimated": [None, None, 3.0, None],
            "bytes": [512.0, 1024.0, None, 512.0],
        }
    )  # fmt: skip
    marked = mark_rates(table)
    assert list(marked["codec"]) == ["net [estimated]"] * 3 + ["jpeg"]
    assert list(marked["bytes"]) == [512.0, 1024.0, 1536.0, 512.0]
