"""`bench audit`: claims that are made here by other code than ours, each with one convention
changed, are named, and what no convention gives is said to be none.

Streams are those of Pillow and ffmpeg; sizes, colour and means are NumPy's.
"""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image
from pytorch_msssim import ms_ssim as reference_ms_ssim

from tests.command import bench
from tests.pictures import picture

QUALITIES = (20, 50, 80)
SIZES = ((176, 208), (208, 176), (240, 176))  # (height, width): landscape, then two portraits
Frame = np.ndarray
Points = list[tuple[float, float]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures of photographs' statistics, coded by JPEG and x264 with every stream kept."""
    folder = tmp_path_factory.mktemp("audit")
    (folder / "pictures").mkdir()
    for seed, (height, width) in enumerate(SIZES):
        Image.fromarray(picture(height, width, seed)).save(folder / "pictures" / f"{seed}.png")
    done = bench(
        "run", "--input", folder / "pictures", "--keep", "all", "--no-report", "--jobs", 1,
        "--codecs", "jpeg:quality=20+50+80,x264:crf=20+30+40", "--metrics", "psnr_rgb,ms_ssim",
        "--out", folder / "run",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def sources(home: Path) -> list[Frame]:
    return [np.asarray(Image.open(path)) for path in sorted((home / "pictures").glob("*.png"))]


def jpeg(source: Frame, quality: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(source).save(file, "JPEG", quality=quality)
    return file.getvalue()


def opened(file: bytes) -> Frame:
    return np.asarray(Image.open(io.BytesIO(file)))


def stream(home: Path, item: int, codec: str, point: str) -> bytes:
    (path,) = (home / "run" / "kept").glob(f"{item}*/{codec}/{point}.bin")
    return path.read_bytes()


def db(mse: float) -> float:
    return float(10 * np.log10(255**2 / mse))


def psnr(one: Frame, other: Frame) -> float:
    return db(np.mean((one.astype(float) - other) ** 2))


def yuv(rgb: Frame, red: float, blue: float) -> list[Frame]:
    """Y, Cb and Cr of full range, by the definition."""
    r, g, b = (rgb[..., index].astype(float) for index in range(3))
    y = red * r + (1 - red - blue) * g + blue * b
    return [y, (b - y) / (2 * (1 - blue)) + 128, (r - y) / (2 * (1 - red)) + 128]


BT601, BT709 = (0.299, 0.114), (0.2126, 0.0722)


class Sample:
    """One coded picture of the claim."""

    def __init__(self, home: Path, item: int, source: Frame, quality: int) -> None:
        self.payload = stream(home, item, "jpeg", f"quality={quality}")
        self.source, self.decoded, self.quality = source, opened(self.payload), quality
        self.pixels = source.shape[0] * source.shape[1]

    @property
    def bpp(self) -> float:
        return 8 * len(self.payload) / self.pixels

    @property
    def psnr(self) -> float:
        return psnr(self.source, self.decoded)


def means(samples: Sequence[Sequence[Sample]], rate: Callable[[Sample], float],
          quality: Callable[[Sample], float]) -> Points:  # fmt: skip
    return [
        (float(np.mean([rate(s) for s in row])), float(np.mean([quality(s) for s in row])))
        for row in samples
    ]


def all_samples(home: Path) -> list[list[Sample]]:
    pictures = list(enumerate(sources(home)))
    return [[Sample(home, at, one, quality) for at, one in pictures] for quality in QUALITIES]


def plain(home: Path) -> Points:
    return means(all_samples(home), lambda s: s.bpp, lambda s: s.psnr)


def pooled_rate(home: Path) -> Points:
    return [
        (sum(8 * len(s.payload) for s in row) / sum(s.pixels for s in row), old[1])
        for row, old in zip(all_samples(home), plain(home), strict=True)
    ]


def pooled_error(home: Path) -> Points:
    errors = [
        [float(np.mean((s.source.astype(float) - s.decoded) ** 2)) for s in row]
        for row in all_samples(home)
    ]
    return [(r, db(np.mean(e))) for (r, _), e in zip(plain(home), errors, strict=True)]


def pickled(home: Path) -> Points:
    return means(
        all_samples(home), lambda s: 8 * len(pickle.dumps(s.payload)) / s.pixels, lambda s: s.psnr
    )


def npz(home: Path) -> Points:
    def size(s: Sample) -> float:
        file = io.BytesIO()
        np.savez(file, np.frombuffer(s.payload, np.uint8))
        return 8 * len(file.getvalue()) / s.pixels

    return means(all_samples(home), size, lambda s: s.psnr)


def cropped(home: Path) -> Points:
    """To multiples of 64 from the left and top, the bytes of the whole picture over its pixels."""

    def size(s: Sample) -> tuple[int, int]:
        return s.source.shape[0] // 64 * 64, s.source.shape[1] // 64 * 64

    def quality(s: Sample) -> float:
        rows, columns = size(s)
        return psnr(s.source[:rows, :columns], s.decoded[:rows, :columns])

    return means(all_samples(home), lambda s: 8 * len(s.payload) / np.prod(size(s)), quality)


def portraits(home: Path) -> Points:
    return means([row[1:] for row in all_samples(home)], lambda s: s.bpp, lambda s: s.psnr)


def turned(home: Path, quarters: int = 1) -> Points:
    found = []
    for quality, row in zip(QUALITIES, all_samples(home), strict=True):
        pairs = []
        for s in row:
            portrait = s.source.shape[0] > s.source.shape[1]
            source = np.ascontiguousarray(np.rot90(s.source, quarters)) if portrait else s.source
            file = jpeg(source, quality)
            removed = len(jpeg(s.source, quality)) - len(s.payload)
            pairs.append((8 * (len(file) - removed) / s.pixels, psnr(source, opened(file))))
        found.append(tuple(np.mean(pairs, axis=0)))
    return found


def turned_clockwise(home: Path) -> Points:
    return turned(home, 3)


def channels(home: Path) -> Points:
    """The mean of the PSNR of R, G and B."""

    def quality(s: Sample) -> float:
        return float(np.mean([psnr(s.source[..., c], s.decoded[..., c]) for c in range(3)]))

    return means(all_samples(home), lambda s: s.bpp, quality)


def last_two_in_compressed_npz(home: Path) -> Points:
    """Two conventions at once."""

    def size(s: Sample) -> float:
        file = io.BytesIO()
        np.savez_compressed(file, np.frombuffer(s.payload, np.uint8))
        return 8 * len(file.getvalue()) / s.pixels

    return means([row[1:] for row in all_samples(home)], size, lambda s: s.psnr)


def quantised(home: Path) -> Points:
    """The source through rounded BT.709 planes of 8 bits."""

    def quality(s: Sample) -> float:
        y, u, v = (np.rint(plane) for plane in yuv(s.source, *BT709))
        red, blue = BT709
        r, b = y + 2 * (1 - red) * (v - 128), y + 2 * (1 - blue) * (u - 128)
        g = (y - red * r - blue * b) / (1 - red - blue)
        return psnr(np.clip(np.rint(np.stack([r, g, b], -1)), 0, 255), s.decoded)

    return means(all_samples(home), lambda s: s.bpp, quality)


def luma_of_601(home: Path) -> Points:
    def quality(s: Sample) -> float:
        return psnr(yuv(s.source, *BT601)[0], yuv(s.decoded, *BT601)[0])

    return means(all_samples(home), lambda s: s.bpp, quality)


def luma_of_limited_range(home: Path) -> Points:
    def quality(s: Sample) -> float:
        one, other = (yuv(frame, *BT709)[0] * 219 / 255 for frame in (s.source, s.decoded))
        return psnr(one, other)

    return means(all_samples(home), lambda s: s.bpp, quality)


def four_one_one(home: Path) -> Points:
    def quality(s: Sample) -> float:
        pairs = zip(yuv(s.source, *BT709), yuv(s.decoded, *BT709), strict=True)
        y, u, v = (psnr(a, b) for a, b in pairs)
        return (4 * y + u + v) / 6

    return means(all_samples(home), lambda s: s.bpp, quality)


def decibels_of_each(home: Path) -> Points:
    def quality(s: Sample) -> float:
        import torch

        one, other = (
            torch.tensor(np.moveaxis(frame, 2, 0)[None].astype(np.float64))
            for frame in (s.source, s.decoded)
        )
        return float(-10 * np.log10(1 - float(reference_ms_ssim(one, other, data_range=255))))

    return means(all_samples(home), lambda s: s.bpp, quality)


def audited(
    home: Path, points: Points, column: str, codec: str = "jpeg", digits: int = 4
) -> tuple[int, str]:
    path = home / "claim.csv"
    labels = QUALITIES if codec == "jpeg" else (20, 30, 40)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["codec", "quality", "bpp", column])
        for label, (rate, quality) in zip(labels, points, strict=True):
            writer.writerow(["theirs", label, f"{rate:.{digits}f}", f"{quality:.{digits}f}"])
    done = bench("audit", path, home / "run", "--codec", codec, "--jobs", 1,
                 "--input", home / "pictures")  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("made", "column", "says"),
    [
        (plain, "psnr_rgb", "as measured here"),
        (pooled_rate, "psnr_rgb", "all bits divided by all pixels"),
        (pooled_error, "psnr_rgb", "decibels of the mean squared error of all items"),
        (pickled, "psnr_rgb", "bytes of the stream in a pickle"),
        (npz, "psnr_rgb", "bytes of the stream in an npz file"),
        (cropped, "psnr_rgb", "cropped to multiples of 64 (left and top)"),
        (portraits, "psnr_rgb", "portrait items alone"),
        (turned, "psnr_rgb", "portrait pictures turned"),
        (turned_clockwise, "psnr_rgb", "portrait pictures turned (clockwise)"),
        (channels, "psnr_rgb", "mean of the decibels of R, G and B"),
        (
            last_two_in_compressed_npz,
            "psnr_rgb",
            "portrait items alone, bytes of the stream in a compressed npz file",
        ),
        (quantised, "psnr_rgb", "against the source quantised to 8-bit Y'CbCr (BT.709)"),
        (luma_of_601, "psnr_y", "BT.601"),
        (luma_of_limited_range, "psnr_y", "BT.709 of limited range"),
        (four_one_one, "psnr_yuv", "YUV weighted 4:1:1"),
        (decibels_of_each, "ms_ssim", "mean of decibels"),
    ],
)
def test_a_claim_with_one_convention_changed_is_named(
    home: Path, made: Callable[[Path], Points], column: str, says: str
) -> None:
    digits = 3 if column == "ms_ssim" else 4  # its window is of single precision there
    status, said = audited(home, made(home), column, digits=digits)
    first = next((line for line in said.splitlines() if line.startswith("  1. ")), said)
    assert first == f"  1. {says}" or first.startswith(f"  1. {says} ("), said
    assert status == 0


def unclipped(home: Path, lowest: float = -np.inf, highest: float = np.inf) -> Points:
    """x264's planes by ffmpeg, converted to RGB by the definition and left as they come."""
    found = []
    for crf in (20, 30, 40):
        pairs = []
        for item, source in enumerate(sources(home)):
            payload = stream(home, item, "x264", f"crf={crf}")
            height, width = source.shape[:2]
            done = subprocess.run(
                [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "h264", "-i", "pipe:0",
                 "-f", "rawvideo", "-pix_fmt", "yuv444p", "pipe:1"],
                input=payload, capture_output=True, check=True,
            )  # fmt: skip
            y, u, v = np.frombuffer(done.stdout, np.uint8).reshape(3, height, width).astype(float)
            red, blue = BT709
            r, b = y + 2 * (1 - red) * (v - 128), y + 2 * (1 - blue) * (u - 128)
            g = (y - red * r - blue * b) / (1 - red - blue)
            rgb = np.clip(np.stack([r, g, b], -1), lowest, highest)
            pairs.append((8 * len(payload) / (height * width), psnr(source, rgb)))
        found.append(tuple(np.mean(pairs, axis=0)))
    return found


def unrounded(home: Path) -> Points:
    return unclipped(home, 0, 255)


def test_the_signature_of_an_encoder_is_named(home: Path) -> None:
    """x264 writes its options into every stream: 700 bytes that no decoder needs."""
    rows = list(csv.DictReader((home / "run" / "records.csv").open()))
    points = []
    for crf in (20, 30, 40):
        own = [row for row in rows if row["point"] == f"crf={crf}"]
        bpp = [
            8 * (int(row["bytes"]) + int(row["discarded_bytes"]))
            / (int(row["width"]) * int(row["height"]))
            for row in own
        ]  # fmt: skip
        points.append((float(np.mean(bpp)), float(np.mean([float(r["psnr_rgb"]) for r in own]))))
    _, said = audited(home, points, "psnr_rgb", "x264")
    assert "  1. bytes with all that the encoder wrote (container, SEI, signature)\n" in said


@pytest.mark.parametrize(
    ("made", "says"), [(unrounded, "not rounded"), (unclipped, "neither rounded nor clipped")]
)
def test_samples_that_were_not_rounded_are_named(
    home: Path, made: Callable[[Path], Points], says: str
) -> None:
    """Some pictures have samples outside of what a picture holds, so that clipping is told too."""
    status, said = audited(home, made(home), "psnr_rgb", "x264")
    assert status == 0 and f"  1. reconstruction {says}\n" in said


def better(points: Points) -> Points:
    return [(rate, quality + 0.37) for rate, quality in points]


def smaller(points: Points) -> Points:
    return [(0.93 * rate, quality) for rate, quality in points]


def mixed(points: Points) -> Points:
    return [(rate, quality + 0.05 * at) for at, (rate, quality) in enumerate(points)]


@pytest.mark.parametrize(
    ("change", "left", "cause"),
    [
        (better, "psnr_rgb +0.370 … +0.370", "its rates are those of these streams: quality was"),
        (smaller, "bpp -7.00 … -7.00 %", "another version or build"),
        (mixed, "psnr_rgb +0.000 … +0.100", "its rates are those of these streams: quality was"),
    ],
)
def test_what_no_convention_gives_is_none_with_what_is_left(
    home: Path, change: Callable[[Points], Points], left: str, cause: str
) -> None:
    status, said = audited(home, change(plain(home)), "psnr_rgb")
    assert status == 1 and "none of them reproduces the claim" in said
    assert "as measured here\n    left: " in said and left in said
    assert cause in said


def test_a_convention_is_named_beside_the_rest_that_another_build_leaves(home: Path) -> None:
    points = [(0.9997 * rate, quality - 0.001) for rate, quality in quantised(home)]
    status, said = audited(home, points, "psnr_rgb")
    nearest = "  against the source quantised to 8-bit Y'CbCr (BT.709)\n    left: bpp -0.03"
    assert status == 1 and nearest in said and "psnr_rgb -0.001" in said
    assert "what is left of the nearest is no more than another version or build" in said


def test_points_that_lack_items_are_left_out_of_a_claim_of_means(home: Path) -> None:
    run = home / "partly"
    shutil.copytree(home / "run", run)
    rows = (run / "records.csv").read_text().splitlines()
    lost = next(row for row in rows if "jpeg,quality=20," in row)
    (run / "records.csv").write_text("".join(f"{row}\n" for row in rows if row != lost))
    path = home / "means.csv"
    points = zip(QUALITIES, plain(home), strict=True)
    lines = [f"theirs,{at},{rate:.4f},{quality:.4f}" for at, (rate, quality) in points]
    path.write_text("\n".join(["codec,quality,bpp,psnr_rgb", *lines]))
    done = bench("audit", path, run, "--codec", "jpeg", "--input", home / "pictures")
    assert "theirs: 2 points, means over 3 items" in done.stdout, done.stderr
    assert (
        "left out: 20 (2 of 3 items)\n" in done.stdout and "  1. as measured here\n" in done.stdout
    )


def test_a_header_of_its_own_is_told_in_bytes(home: Path) -> None:
    points = means(all_samples(home), lambda s: s.bpp + 8 * 17 / s.pixels, lambda s: s.psnr)
    status, said = audited(home, points, "psnr_rgb", digits=6)
    assert status == 1 and "its rate is +17 bytes an item from the payload's at every point" in said


def test_whole_numbers_have_no_digits(home: Path) -> None:
    path = home / "whole.csv"
    (_, middle, _) = plain(home)
    path.write_text(f"codec,quality,bpp,psnr_rgb\nx,50,{middle[0]:.4f},{middle[1]:.0f}\n")
    said = bench("audit", path, home / "run", "--codec", "jpeg", "--input", home / "pictures")
    assert said.returncode == 0 and "  1. as measured here\n" in said.stdout


def test_few_digits_fit_several(home: Path) -> None:
    _, said = audited(home, plain(home), "psnr_rgb", digits=1)
    assert "reproduce it within its printed digits, the most common first" in said
    assert "  1. as measured here\n" in said and "more digits would tell them apart" in said


def test_streams_that_are_not_kept_are_coded_again_or_refused(home: Path) -> None:
    points = plain(home)
    lost = sorted((home / "run" / "kept").glob("*/jpeg/quality=20.bin"))
    payloads = [path.read_bytes() for path in lost]
    for path in lost:
        path.unlink()
    status, said = audited(home, points, "psnr_rgb")
    for path, payload in zip(lost, payloads, strict=True):
        path.write_bytes(payload)
    assert status == 0 and "3 streams were not kept: coded again, to the same bytes" in said


def test_a_bd_rate_is_named_with_its_interpolation(home: Path) -> None:
    points = plain(home)
    path = home / "claim.csv"
    audited(home, points, "psnr_rgb")
    run = json.loads((home / "run" / "run.json").read_text())
    assert [one["id"] for one in run["codecs"]] == ["jpeg", "x264"]
    more = ("--codec", "jpeg", "--input", home / "pictures", "--bd")
    said = bench("audit", path, home / "run", *more, "x264=9999").stdout
    line = next(line for line in said.splitlines() if line.startswith("BD-rate 9999"))
    value, how = line.partition("the nearest is ")[2].split(", ", 1)
    assert how.partition(" of ")[0] in ("cubic", "pchip", "akima") and "psnr_rgb" in how
    said = bench("audit", path, home / "run", *more, f"x264={value}").stdout
    assert f"BD-rate {value} against x264: {how}\n" in said


@pytest.mark.nightly
@pytest.mark.skipif(
    not Path(os.environ.get("BENCH_DATA", "/nowhere"), "kodak").is_dir(),
    reason="needs Kodak's pictures in $BENCH_DATA",
)
def test_compressais_webp_comes_out_as_measured_here(tmp_path: Path) -> None:
    """Its table was made by CompressAI, with Pillow's WebP and its own metrics."""
    words = ("--suite", "kodak", "--codecs", "webp:quality=5+50", "--keep", "all", "--no-report")
    done = bench("run", *words, "--metrics", "psnr_rgb,ms_ssim", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    done = bench("audit", "published:webp", tmp_path / "run", "--codec", "webp")
    assert "2 points, means over 24 items" in done.stdout, done.stderr
    assert "1 reproduces it within its printed digits:\n  1. as measured here\n" in done.stdout
