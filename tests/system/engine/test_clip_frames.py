"""What records, curves and reports say of the frames of a clip: one that is spoilt is seen."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.cli import main

WIDTH, HEIGHT, FRAMES = 64, 48, 8
# a lossless codec that blacks the luma of frame 5
SCRIPT = f"""
import sys, zlib
mode, source, target = sys.argv[1:]
data = open(source, "rb").read()
if mode == "encode":
    open(target, "wb").write(zlib.compress(data))
else:
    data = bytearray(zlib.decompress(data))
    luma = {WIDTH * HEIGHT}
    start = data.index(b"\\n") + 1 + 5 * (luma * 3 // 2 + 6) + 6
    data[start : start + luma] = bytes([16]) * luma
    open(target, "wb").write(data)
"""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A run of the spoiler over one clip."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    chroma = np.full(HEIGHT * WIDTH // 2, 128, np.uint8).tobytes()
    clip = [f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 Ip C420jpeg\n".encode()]
    for shift in range(FRAMES):
        luma = 126 + 70 * np.sin((x + 3 * shift) / 7) * np.cos(y / 11)
        clip += [b"FRAME\n", np.rint(luma).astype(np.uint8).tobytes(), chroma]
    (tmp_path / "clip.y4m").write_bytes(b"".join(clip))
    script = tmp_path / "spoils.py"
    script.write_text(SCRIPT)
    cards = tmp_path / "cards"
    cards.mkdir()
    (cards / "spoils.toml").write_text(
        'title = "Spoils a frame"\nadapter = "bench.codecs.command:CommandCodec"\n'
        'media = ["video"]\n[settings]\ninput = "y4m"\n'
        f'encode = "{sys.executable} {script} encode {{input}} {{bitstream}}"\n'
        f'decode = "{sys.executable} {script} decode {{bitstream}} {{output}}"\n'
    )
    return [
        "run", "--input", str(tmp_path / "clip.y4m"), "--cards", str(cards), "--codecs", "spoils",
        "--metrics", "psnr_y,ssim", "--jobs", "1", "--out", str(tmp_path / "out"),
    ]  # fmt: skip


def test_one_black_frame_of_eight_is_seen(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    out = tmp_path / "out"
    with (out / "records.csv").open() as file:
        (row,) = csv.DictReader(file)
    # of the luma against black, worked out here
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    luma = np.rint(126 + 70 * np.sin((x + 15) / 7) * np.cos(y / 11))
    least = 10 * np.log10(255**2 / np.mean((luma - 16) ** 2))
    assert float(row["psnr_y_min"]) == pytest.approx(least, abs=1e-6)
    assert float(row["psnr_y"]) == pytest.approx((7 * 100 + least) / 8, abs=1e-6)
    # 5 % of eight frames lie at 0.35 of the step from the worst to the next, which counts 100 dB
    assert float(row["psnr_y_p5"]) == pytest.approx(least + 0.35 * (100 - least), abs=1e-6)
    assert (row["frames_identical"], row["worst_frame"]) == ("7", "5")
    assert float(row["mse_max"]) == pytest.approx(8 * float(row["mse"]))
    # SSIM does not apply to 4:2:0
    assert "ssim_min" not in row
    with (out / "curves.csv").open() as file:
        (curve,) = csv.DictReader(file)
    assert float(curve["psnr_y_min"]) == pytest.approx(least, abs=1e-6)
    assert float(curve["frames_identical"]) == 7
    remark = (
        f"spoils: PSNR-Y of one frame is {least:.1f} dB where the mean of its clip is "
        f"{(700 + least) / 8:.1f}: mode=only on clip, frame 5 from 0 has the largest error, 7 of 8 "
        "frames are identical"
    )
    assert remark in " ".join(capsys.readouterr().out.split())
    table = (out / "table.md").read_text()
    assert f"- {remark}\n" in table
    assert "7 decoded frames of clips equal the source's (infinite PSNR, 100 dB" in table


def test_pictures_and_single_frames_have_no_such_columns(words: list[str], tmp_path: Path) -> None:
    words[words.index("spoils")] = "ffv1"
    clip = tmp_path / "clip.y4m"
    header = clip.read_bytes().partition(b"\n")[0] + b"\n"
    clip.write_bytes(clip.read_bytes()[: len(header) + 6 + WIDTH * HEIGHT * 3 // 2])
    assert main([*words, "--no-report"]) == 0
    with (tmp_path / "out" / "records.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["frames"] == "1" and row["psnr_y"] == "inf"
    assert row["frames_identical"] == row["worst_frame"] == ""
    assert not [name for name in row if name.endswith(("_min", "_p5", "_max", "_p95"))]


def test_metrics_that_are_added_bring_their_frames(words: list[str], tmp_path: Path) -> None:
    words[words.index("psnr_y,ssim")] = "psnr_yuv"
    assert main([*words, "--no-report"]) == 0
    words[words.index("psnr_yuv")] = "psnr_y"
    assert main([*words, "--no-report"]) == 0
    with (tmp_path / "out" / "records.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["psnr_y_min"]) < float(row["psnr_yuv_min"]) < 100
    assert row["frames_identical"] == "7"
