"""Twelve records of a run of the command, recomputed by code that shares nothing with it: Pillow
and bare ffmpeg code and decode, NumPy, scikit-image and pytorch-msssim measure. Bytes are equal;
the conventions (colour, subsampling, rounding, what is stripped) are written out here once more.
Imports nothing of the package."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import pytorch_msssim
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity

WIDTH, HEIGHT, FRAMES = 256, 192, 5
PICTURE_CODECS = (
    "jpeg:quality=50,webp:quality=50,png,jpeg2000:ratio=40,avif:quality=45,"
    "x264:crf=27,x264:chroma=420,crf=27,x265:crf=32,svtav1:crf=38"
)
CLIP_CODECS = "x264:crf=30,x265:crf=35,svtav1:crf=50"
FORMATS: dict[str, dict[str, object]] = {
    "jpeg": {"format": "JPEG", "quality": 50},
    "webp": {"format": "WEBP", "quality": 50, "method": 4},
    "png": {"format": "PNG", "optimize": True},
    "jpeg2000": {
        "format": "JPEG2000", "no_jp2": True, "irreversible": True, "mct": 1,
        "quality_mode": "rates", "quality_layers": [40.0],
    },
    "avif": {
        "format": "AVIF", "quality": 45, "speed": 4, "subsampling": "4:4:4", "codec": "aom",
        "max_threads": 1, "autotiling": False, "advanced": {"tune": "psnr"},
    },
}  # fmt: skip
ENCODERS = {
    "x264": (
        *("-c:v", "libx264", "-preset", "veryslow", "-tune", "psnr", "-g", "250"),
        *("-threads", "1", "-x264-params", "lookahead-threads=1", "-f", "h264"),
    ),
    "x265": (
        *("-c:v", "libx265", "-preset", "veryslow", "-tune", "psnr", "-g", "250", "-threads", "1"),
        *("-x265-params", "pools=none:frame-threads=1:log-level=error", "-f", "hevc"),
    ),
    "svtav1": (
        *("-c:v", "libsvtav1", "-preset", "2", "-g", "250", "-svtav1-params", "tune=1:lp=1"),
        *("-f", "obu"),
    ),
}
MUXERS = {"x264": "h264", "x265": "hevc", "svtav1": "obu"}

Pixels = NDArray[np.uint8]
Planes = tuple[Pixels, Pixels, Pixels]


@dataclass(frozen=True)
class Run:
    """A finished run: its rows by codec and point, its folder and the source."""

    rows: dict[tuple[str, str], dict[str, str]]
    kept: Path
    source: Path

    def stream(self, row: dict[str, str]) -> bytes:
        """What was kept of a record, found by its hash."""
        streams = [path.read_bytes() for path in self.kept.rglob("*.bin")]
        (found,) = [one for one in streams if sha256(one).hexdigest() == row["bitstream_sha256"]]
        return found


def bench(folder: Path, *words: str) -> Run:
    command = [sys.executable, "-m", "bench", "run", "--out", str(folder / "out"), "--keep", "1"]
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [*command, "--jobs", "1", "--no-report", "--quiet", *words],
        cwd=folder, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (folder / "out" / "records.csv").open(encoding="utf-8") as file:
        rows = {(row["codec"], row["point"]): row for row in csv.DictReader(file)}
    assert {row["status"] for row in rows.values()} == {"done"}
    return Run(rows, folder / "out" / "kept", Path(words[1]))


def ffmpeg(*words: str, data: bytes = b"") -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-hide_banner", "-loglevel", "error", *words]
    done = subprocess.run(command, input=data, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def real_pictures(name: str) -> list[Path]:
    folder = Path(os.environ.get("BENCH_DATA") or "/nowhere") / name
    return sorted(folder.glob("*.png"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A cut of a Kodak picture, or of scikit-image's astronaut."""
    folder = tmp_path_factory.mktemp("pictures")
    found = [path for path in real_pictures("kodak") if path.stem == "kodim20"]
    whole = Image.open(found[0]) if found else Image.fromarray(skimage.data.astronaut())
    source = folder / "cut.png"
    whole.convert("RGB").crop((128, 100, 128 + WIDTH, 100 + HEIGHT)).save(source)
    metrics = "psnr_rgb,psnr_y,psnr_yuv,ssim,ms_ssim"
    return bench(folder, "--input", str(source), "--codecs", PICTURE_CODECS, "--metrics", metrics)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Frames of a clip as 4:2:0, or a cut that moves over the astronaut."""
    folder = tmp_path_factory.mktemp("clips")
    found = real_pictures("basketballpass")[:FRAMES]
    frames = [np.asarray(Image.open(path).convert("RGB"))[:HEIGHT, :WIDTH] for path in found]
    if not frames:
        whole = skimage.data.astronaut()
        frames = [whole[t : t + HEIGHT, 2 * t : 2 * t + WIDTH] for t in range(FRAMES)]
    source = folder / "clip.y4m"
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", "25")
    data = b"".join(np.ascontiguousarray(frame).tobytes() for frame in frames)
    ffmpeg(*raw, "-i", "pipe:0", "-pix_fmt", "yuv420p", str(source), data=data)
    metrics = "psnr_y,psnr_yuv,vmaf"
    return bench(folder, "--input", str(source), "--codecs", CLIP_CODECS, "--metrics", metrics)


def yuv(rgb: Pixels) -> NDArray[np.float64]:
    """Y'CbCr of BT.709 in full range, exactly."""
    r, g, b = np.moveaxis(rgb.astype(float), 2, 0)
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return np.stack([y, 128 + (b - y) / 1.8556, 128 + (r - y) / 1.5748])


def yuv_in_single_precision(rgb: Pixels) -> list[NDArray[np.float32]]:
    """The same before it is rounded for encoders. Ties are decided by single precision with
    fused products, blue first: a stream depends on them, so that they are a convention."""
    kr, kg, kb = 0.2126, 0.7152, 0.0722
    matrix = np.float32(
        [[kr, kg, kb], [-kr / 1.8556, -kg / 1.8556, 0.5], [0.5, -kg / 1.5748, -kb / 1.5748]]
    ).astype(float)
    found = []
    for row, offset in zip(matrix, (0, 128, 128), strict=True):
        value = np.full(rgb.shape[:2], offset, np.float32)
        for channel in (2, 1, 0):
            value = (rgb[..., channel] * row[channel] + value).astype(np.float32)
        found.append(value)
    return found


def halved(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of 2×2 samples in single precision, those of a row added first."""
    pairs = plane[:, 0::2] + plane[:, 1::2]
    return (pairs[0::2] + pairs[1::2]) / np.float32(4)


def rounded(plane: NDArray[np.float32]) -> Pixels:
    return np.clip(np.rint(plane), 0, 255).astype(np.uint8)


def doubled(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bilinear, samples at the centres of 2×2 luma samples, edges repeated, not rounded."""
    for _ in range(2):  # rows, then columns
        above = np.concatenate([plane[:1], plane[:-1]])
        below = np.concatenate([plane[1:], plane[-1:]])
        pairs = np.stack([0.75 * plane + 0.25 * above, 0.75 * plane + 0.25 * below], axis=1)
        plane = pairs.reshape(-1, plane.shape[1]).T
    return plane


def rgb(planes: Planes) -> Pixels:
    """RGB of full-range planes, 4:4:4 or 4:2:0: in floats, rounded once."""
    y, cb, cr = (plane.astype(float) for plane in planes)
    if cb.shape != y.shape:
        cb, cr = doubled(cb), doubled(cr)
    r, b = y + 1.5748 * (cr - 128), y + 1.8556 * (cb - 128)
    g = (y - 0.2126 * r - 0.0722 * b) / 0.7152
    return np.clip(np.rint(np.stack([r, g, b], axis=2)), 0, 255).astype(np.uint8)


def split(data: bytes, chroma: str, frames: int) -> list[Planes]:
    """Planes of raw frames."""
    half = chroma == "420"
    size = (HEIGHT // 2, WIDTH // 2) if half else (HEIGHT, WIDTH)
    luma, rest = HEIGHT * WIDTH, size[0] * size[1]
    whole = np.frombuffer(data, np.uint8).reshape(frames, luma + 2 * rest)
    return [
        (
            frame[:luma].reshape(HEIGHT, WIDTH),
            frame[luma : luma + rest].reshape(size),
            frame[luma + rest :].reshape(size),
        )
        for frame in whole
    ]


def decoded_planes(encoder: str, stream: bytes, chroma: str, frames: int) -> list[Planes]:
    raw = ("-f", "rawvideo", "-pix_fmt", f"yuv{chroma}p", "pipe:1")
    data = ffmpeg(
        "-f", MUXERS[encoder], "-i", "pipe:0", "-fps_mode", "passthrough", *raw, data=stream
    )
    return split(data, chroma, frames)


def encoded(encoder: str, crf: int, planes: list[Planes], chroma: str, full_range: bool) -> bytes:
    source = ("-f", "rawvideo", "-pix_fmt", f"yuv{chroma}p", "-s", f"{WIDTH}x{HEIGHT}", "-r", "25")
    tags = ("-vf", "setparams=range=pc:colorspace=bt709") if full_range else ()
    data = b"".join(np.ascontiguousarray(plane).tobytes() for frame in planes for plane in frame)
    ends = ("-crf", str(crf), "-fps_mode", "passthrough", *ENCODERS[encoder], "pipe:1")
    return ffmpeg(*source, "-i", "pipe:0", *tags, *ends, data=data)


def needed(encoder: str, stream: bytes) -> bytes:
    """A stream without what no decoder needs: of H.264 and H.265 delimiters, filler data and SEI,
    in which the encoders sign; the unit that comes first in their place has the long start code."""
    if encoder == "svtav1":
        return stream
    kept, first = b"", True
    useless = {6, 9, 12} if encoder == "x264" else {35, 38, 39, 40}
    for long, unit in nal_units(stream):
        first |= long
        kind = unit[0] & 31 if encoder == "x264" else unit[0] >> 1 & 63
        if kind not in useless:
            kept += (b"\0\0\0\1" if first else b"\0\0\1") + unit
            first = False
    return kept


def nal_units(stream: bytes) -> Iterator[tuple[bool, bytes]]:
    """Whether its start code has four bytes, and the unit."""
    before, *pieces = stream.split(b"\0\0\1")
    for piece in pieces:
        unit = piece.rstrip(b"\0")
        yield before.endswith(b"\0"), unit
        before = piece


def without_comment(stream: bytes) -> bytes:
    """A JPEG 2000 codestream without its COM segment (ISO/IEC 15444-1, A.9.2)."""
    start = stream.index(b"\xff\x64")
    return stream[:start] + stream[start + 2 + int.from_bytes(stream[start + 2 : start + 4]) :]


def psnr(source: NDArray[np.generic], found: NDArray[np.generic]) -> float:
    error = np.mean((source.astype(float) - found.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def check(row: dict[str, str], expected: dict[str, float], tolerance: float) -> None:
    found = {name: float(row[name]) for name in expected}
    assert found == pytest.approx(expected, abs=tolerance)


def check_picture(row: dict[str, str], source: Pixels, found: Pixels) -> None:
    """PSNR by the rules of the documentation, SSIM and MS-SSIM by the packages."""
    one, other = yuv(source), yuv(found)
    parts = [psnr(a, b) for a, b in zip(one, other, strict=True)]
    mean = (6 * parts[0] + parts[1] + parts[2]) / 8
    psnrs = {"psnr_rgb": psnr(source, found), "psnr_y": parts[0], "psnr_yuv": mean}
    check(row, psnrs, 1e-4)
    ssim = structural_similarity(
        source, found, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        data_range=255, channel_axis=2,
    )  # fmt: skip
    tensors = [torch.from_numpy(x.copy()).permute(2, 0, 1)[None].double() for x in (source, found)]
    ms_ssim = float(pytorch_msssim.ms_ssim(*tensors, data_range=255))
    check(row, {"ssim": float(ssim), "ms_ssim": ms_ssim}, 1e-5)


def check_bytes(row: dict[str, str], stream: bytes, expected: bytes, pixels: int) -> None:
    assert stream == expected
    assert int(row["bytes"]) == len(expected)
    assert float(row["bpp"]) == pytest.approx(8 * len(expected) / pixels, rel=1e-12)


@pytest.mark.parametrize("codec", FORMATS)
def test_a_picture_coded_by_pillow(pictures: Run, codec: str) -> None:
    (row,) = [row for (name, _), row in pictures.rows.items() if name == codec]
    source, file = Image.open(pictures.source), io.BytesIO()
    source.save(file, **FORMATS[codec])
    stream = file.getvalue()
    if codec == "jpeg2000":
        stream = without_comment(stream)
    check_bytes(row, pictures.stream(row), stream, WIDTH * HEIGHT)
    found = np.asarray(Image.open(io.BytesIO(stream)).convert("RGB"))
    check_picture(row, np.asarray(source), found)


@pytest.mark.parametrize(
    ("codec", "crf"), [("x264", 27), ("x264:chroma=420", 27), ("x265", 32), ("svtav1", 38)]
)
def test_a_picture_coded_by_ffmpeg(pictures: Run, codec: str, crf: int) -> None:
    row, source = pictures.rows[codec, f"crf={crf}"], np.asarray(Image.open(pictures.source))
    encoder, chroma = codec.partition(":")[0], "444" if codec in ("x264", "x265") else "420"
    y, cb, cr = yuv_in_single_precision(source)
    if chroma == "420":
        cb, cr = halved(cb), halved(cr)
    planes = (rounded(y), rounded(cb), rounded(cr))
    stream = needed(encoder, encoded(encoder, crf, [planes], chroma, full_range=True))
    check_bytes(row, pictures.stream(row), stream, WIDTH * HEIGHT)
    (found,) = decoded_planes(encoder, stream, chroma, 1)
    check_picture(row, source, rgb(found))


@pytest.mark.parametrize(("encoder", "crf"), [("x264", 30), ("x265", 35), ("svtav1", 50)])
def test_a_clip_of_420(clips: Run, tmp_path: Path, encoder: str, crf: int) -> None:
    row = clips.rows[encoder, f"crf={crf}"]
    raw = ffmpeg("-i", str(clips.source), "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1")
    source = split(raw, "420", FRAMES)
    stream = needed(encoder, encoded(encoder, crf, source, "420", full_range=False))
    check_bytes(row, clips.stream(row), stream, WIDTH * HEIGHT * FRAMES)
    found = decoded_planes(encoder, stream, "420", FRAMES)
    parts = np.array(
        [
            [psnr(a, b) for a, b in zip(one, other, strict=True)]
            for one, other in zip(source, found, strict=True)
        ]
    ).mean(axis=0)
    mean = float(parts @ [6, 1, 1]) / 8
    check(
        row,
        {
            "psnr_y": float(parts[0]),
            "psnr_yuv": mean,
            "vmaf": vmaf(clips.source, encoder, stream, tmp_path),
        },
        1e-4,
    )


def vmaf(source: Path, encoder: str, stream: bytes, folder: Path) -> float:
    """The mean over frames of the default model of ffmpeg's libvmaf."""
    log, decoded = folder / "vmaf.json", folder / "decoded.y4m"
    ffmpeg("-f", MUXERS[encoder], "-i", "pipe:0", "-r", "25", str(decoded), data=stream)
    graph = f"[0:v]setpts=N[a];[1:v]setpts=N[b];[a][b]libvmaf=log_fmt=json:log_path={log}"
    ffmpeg("-i", str(decoded), "-i", str(source), "-lavfi", graph, "-f", "null", "-")
    frames = json.loads(log.read_text())["frames"]
    assert len(frames) == FRAMES
    return float(np.mean([frame["metrics"]["vmaf"] for frame in frames]))
