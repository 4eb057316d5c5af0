"""Clips of 8 and 10 bits, 4:2:0, 4:2:2 and 4:4:4 through every video codec that takes them: bytes
and PSNR of records equal those of bare ffmpeg, HM and VTM commands with NumPy. Imports nothing of
the package."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
DATA = Path(os.environ.get("BENCH_DATA") or "/nowhere") / "basketballpass"
WORDS = "structure=low-delay,keyint=32"


@dataclass(frozen=True)
class Kind:
    """A clip that is made here; ``chroma`` as in 420."""

    chroma: str
    depth: int
    width: int
    height: int
    frames: int
    fps: int = 25

    @property
    def pix_fmt(self) -> str:
        return f"yuv{self.chroma}p" + ("10le" if self.depth == 10 else "")

    @property
    def shapes(self) -> list[tuple[int, int]]:
        columns = self.width if self.chroma == "444" else -(-self.width // 2)
        rows = -(-self.height // 2) if self.chroma == "420" else self.height
        return [(self.height, self.width), (rows, columns), (rows, columns)]

    def frames_of(self, data: bytes, depth: int) -> list[list[NDArray[np.float64]]]:
        """Planes of raw frames at a depth, rounded once to the depth of the clip."""
        samples = np.frombuffer(data, "<u2" if depth > 8 else np.uint8).astype(float)
        samples = np.clip(np.rint(samples / 2 ** (depth - self.depth)), 0, 2**self.depth - 1)
        size = sum(h * w for h, w in self.shapes)
        found = []
        for frame in samples.reshape(self.frames, size):
            ends = np.cumsum([h * w for h, w in self.shapes])[:-1]
            found.append(np.split(frame, ends))
        return found


KINDS = {
    "eight": Kind("420", 8, 1920, 1080, 2),
    "ten": Kind("420", 10, 192, 136, 4),
    "ten422": Kind("422", 10, 192, 128, 4),
    "eight444": Kind("444", 8, 192, 128, 4),
    "fast": Kind("420", 8, 96, 64, 4, 240),  # at UVG's 120 time stamps of H.264 collide already
}
X26X = ("-preset", "ultrafast", "-tune", "psnr", "-g", "32", "-qp", "30", "-threads", "1")
VPX = ("-crf", "40", "-b:v", "0", "-qmin", "40", "-qmax", "40", "-threads", "1", "-tune", "psnr")
CODECS = {
    f"x264:preset=ultrafast,{WORDS},qp=30": (
        *("-c:v", "libx264", *X26X, "-x264-params", "lookahead-threads=1:bframes=0"),
        *("-f", "h264"),
    ),
    f"x265:preset=ultrafast,{WORDS},qp=30": (
        *("-c:v", "libx265", *X26X, "-x265-params"),
        *("pools=none:frame-threads=1:log-level=error:bframes=0", "-f", "hevc"),
    ),
    f"svtav1:preset=11,{WORDS},qp=40": (
        *("-c:v", "libsvtav1", "-preset", "11", "-g", "32", "-qp", "40"),
        *("-svtav1-params", "tune=1:lp=1:pred-struct=1", "-f", "obu"),
    ),
    "vvenc:preset=faster,structure=low-delay,keyint=-1,qp=37": (
        *("-c:v", "libvvenc", "-preset", "faster", "-qpa", "0", "-qp", "37", "-threads", "1"),
        "-vvenc-params",
        "verbosity=1:IntraPeriod=-1:sta=0:PicReordering=0:DecodingRefreshType=none:GOPSize=8",
        *("-f", "vvc"),
    ),
    f"aom:cpu-used=8,{WORDS},qp=40": (
        *("-c:v", "libaom-av1", "-cpu-used", "8", "-g", "32", *VPX, "-row-mt", "0"),
        *("-lag-in-frames", "0", "-f", "obu"),
    ),
    f"vp9:cpu-used=5,{WORDS},qp=40": (
        *("-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "5", "-g", "32", *VPX),
        *("-lag-in-frames", "0", "-auto-alt-ref", "0", "-f", "ivf"),
    ),
    "ffv1": (
        *("-c:v", "ffv1", "-level", "1", "-coder", "1", "-context", "1", "-g", "250"),
        *("-threads", "1", "-f", "avi"),
    ),
}
"""By spec, with what is asked for in the words of all codecs, the bare command."""
ONLY_420 = ("svtav1", "vvenc")


def made(kind: Kind) -> bytes:
    """Waves that move, a little of them noise."""
    rng, top, frames = np.random.default_rng(5), 2**kind.depth - 1, []
    for t in range(kind.frames):
        for plane, (h, w) in enumerate(kind.shapes):
            y, x = np.mgrid[:h, :w]
            wave = np.sin((x + 5 * t) / 31 + plane) * np.cos((y - 2 * t) / 23) * 0.35 + 0.5
            wave += rng.normal(0, 0.01, (h, w))
            frames.append(np.clip(np.rint(wave * top), 0, top).astype("<u2"))
    kept = np.uint8 if kind.depth == 8 else "<u2"
    return b"".join(frame.astype(kept).tobytes() for frame in frames)


def ffmpeg(*words: str, data: bytes) -> bytes:
    command = [FFMPEG, "-y", "-hide_banner", "-loglevel", "error", *words]
    done = subprocess.run(command, input=data, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def measured(folder: Path, kind: Kind, data: bytes, codecs: list[str]) -> dict[str, dict[str, str]]:
    """The rows of a run of the command by codec, of a raw file whose name says what it holds."""
    bits = "10bit" if kind.depth == 10 else "8bit"
    clip = folder / f"Clip_{kind.width}x{kind.height}_{kind.fps}fps_{kind.chroma}_{bits}.yuv"
    clip.write_bytes(data)
    words = [word for codec in codecs for word in ("--codecs", codec)]
    command = [sys.executable, "-m", "bench", "run", "--input", str(clip), *words]
    command += ["--metrics", "psnr_y,psnr_u,psnr_v", "--jobs", "1", "--no-report", "--quiet"]
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [*command, "--out", str(folder / "out")],
        cwd=folder, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (folder / "out" / "records.csv").open(encoding="utf-8") as file:
        return {row["codec"].partition(":")[0]: row for row in csv.DictReader(file)}


def needed(stream: bytes, name: str) -> bytes:
    """A NAL unit stream without delimiters, filler data and SEI; the unit that comes first in
    their place has the long start code. Other streams as they are."""
    useless = {
        "x264": {6, 9, 12}, "x265": {35, 38, 39, 40}, "hm": {35, 38, 39, 40},
        "vvenc": {20, 23, 24, 25}, "vtm": {20, 23, 24, 25},
    }.get(name)  # fmt: skip
    if useless is None:
        return stream
    kept, first, (before, *pieces) = b"", True, stream.split(b"\0\0\1")
    for piece in pieces:
        unit, first = piece.rstrip(b"\0"), first or before.endswith(b"\0")
        before = piece
        kinds = {"x264": unit[0] & 31, "vvenc": unit[1] >> 3, "vtm": unit[1] >> 3}
        if kinds.get(name, unit[0] >> 1 & 63) not in useless:
            kept += (b"\0\0\0\1" if first else b"\0\0\1") + unit
            first = False
    return kept


def packets(stream: bytes, form: str) -> list[int]:
    """Bytes of each packet, without a container."""
    told = ffmpeg("-f", form, "-i", "pipe:0", "-c", "copy", "-f", "framecrc", "-", data=stream)
    lines = [line for line in told.decode().splitlines() if not line.startswith("#")]
    return [int(line.split(",")[4]) for line in lines]


def shown_types(stream: bytes, form: str) -> str:
    """The type of each frame in the order of display."""
    command = [FFMPEG, "-hide_banner", "-r", "25", "-f", form, "-i", "pipe:0"]
    command += ["-fps_mode", "passthrough", "-vf", "showinfo=checksum=0", "-f", "null", "-"]
    said = subprocess.run(command, input=stream, capture_output=True, check=True).stderr.decode()
    return "".join(re.findall(r"iskey:\d type:(\w)", said))


def rows_of_frames(folder: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of frames.csv by codec."""
    found: dict[str, list[dict[str, str]]] = {}
    with (folder / "out" / "frames.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["codec"].partition(":")[0], []).append(row)
    return found


def check(row: dict[str, str], kind: Kind, source: bytes, decoded: bytes, depth: int) -> None:
    """PSNR of each plane against 2^depth − 1, the mean over frames."""
    pairs = list(
        zip(
            *(kind.frames_of(*one) for one in ((source, kind.depth), (decoded, depth))), strict=True
        )
    )
    for plane, name in enumerate(("psnr_y", "psnr_u", "psnr_v")):
        errors = np.array([np.mean((one[plane] - other[plane]) ** 2) for one, other in pairs])
        if not errors.any():
            assert row[name] == "inf"
            continue
        expected = np.mean(10 * np.log10((2**kind.depth - 1) ** 2 / errors))
        assert float(row[name]) == pytest.approx(expected, abs=1e-4), (row["codec"], name)


def check_frames(
    rows: list[dict[str, str]], record: dict[str, str], kind: Kind, source: bytes, decoded: bytes,
    depth: int,
) -> None:  # fmt: skip
    """PSNR of each frame, and of them the least and the 5th percentile in the record."""
    assert [row["frame"] for row in rows] == [str(place) for place in range(kind.frames)]
    pairs = zip(kind.frames_of(source, kind.depth), kind.frames_of(decoded, depth), strict=True)
    errors = np.array([np.mean((one[0] - other[0]) ** 2) for one, other in pairs])
    with np.errstate(divide="ignore"):
        expected = 10 * np.log10((2**kind.depth - 1) ** 2 / errors)
    np.testing.assert_allclose([float(row["psnr_y"]) for row in rows], expected, rtol=1e-6)
    if errors.all():
        assert float(record["psnr_y_min"]) == pytest.approx(expected.min(), abs=1e-6)
        assert float(record["psnr_y_p5"]) == pytest.approx(np.percentile(expected, 5), abs=1e-6)


def test_frames_of_random_access_are_those_that_the_encoders_report(tmp_path: Path) -> None:
    """The order of coding is not that of display: x264's log and x265's CSV say picture order."""
    kind = Kind("420", 8, 96, 64, 12)
    data = made(kind)
    specs = [
        "x264:preset=medium,structure=random-access,keyint=8,qp=30",
        "x265:preset=medium,structure=random-access,keyint=8,qp=30",
    ]
    measured(tmp_path, kind, data, specs)
    frames = rows_of_frames(tmp_path)
    source = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "96x64", "-r", "25", "-i", "pipe:0")
    common = ("-preset", "medium", "-tune", "psnr", "-g", "8", "-qp", "30", "-threads", "1")
    log = subprocess.run(
        [
            *(FFMPEG, "-hide_banner", "-loglevel", "debug", *source, "-c:v", "libx264", *common),
            *("-x264-params", "lookahead-threads=1", "-f", "null", "-"),
        ],
        input=data, capture_output=True, check=True,
    ).stderr.decode()  # fmt: skip
    said = re.findall(r"frame= *\d+ QP=.*?Slice:(\w) Poc:(-?\d+) .*?size=(\d+)", log)
    shown = in_display_order([(kind_of, int(poc), int(size)) for kind_of, poc, size in said])
    assert "".join(row["type"] for row in frames["x264"]) == "".join(one[0] for one in shown)
    # before intra pictures the encoders count signature and repeated parameter sets
    assert predicted(frames["x264"]) == [size for kind_of, _, size in shown if kind_of != "I"]
    table = tmp_path / "x265.csv"
    words = f"pools=none:frame-threads=1:log-level=error:csv={table}:csv-log-level=1"
    ffmpeg(*source, "-c:v", "libx265", *common, "-x265-params", words, "-f", "null", "-", data=data)
    with table.open(encoding="utf-8") as file:
        lines = [
            {key.strip(): word for key, word in row.items() if key} for row in csv.DictReader(file)
        ]
    by_poc = sorted(
        (row for row in lines if (row["POC"] or "").strip().isdigit()),
        key=lambda row: int(row["POC"]),
    )
    assert "".join(row["type"] for row in frames["x265"]) == "".join(
        row["Type"].strip()[0].upper() for row in by_poc
    )
    inter = [row for row in by_poc if row["Type"].strip()[0].upper() != "I"]
    start_code = 4  # which x265 does not count
    sizes = [int(row["Bits"]) // 8 + start_code for row in inter]
    assert predicted(frames["x265"]) == sizes


def predicted(rows: list[dict[str, str]]) -> list[int]:
    return [int(row["bytes"]) for row in rows if row["type"] != "I"]


def in_display_order(coded: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Picture order counts begin anew with each IDR picture."""
    sequences: list[list[tuple[str, int, int]]] = []
    for picture in coded:
        if picture[1] == 0:
            sequences.append([])
        sequences[-1].append(picture)
    return [one for each in sequences for one in sorted(each, key=lambda picture: picture[1])]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("eight", marks=pytest.mark.nightly),
        *(name for name in KINDS if name != "eight"),
    ],
)
def test_ffmpeg_codecs_equal_bare_commands(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    check_ffmpeg_codecs(kind, made(kind), tmp_path)


@pytest.mark.nightly
@pytest.mark.skipif(not DATA.is_dir(), reason="no basketballpass in BENCH_DATA")
def test_basketballpass_equals_bare_commands(tmp_path: Path) -> None:
    pictures = sorted(DATA.glob("*.png"))[:4]
    joined = b"".join(path.read_bytes() for path in pictures)
    words = ("-f", "image2pipe", "-c:v", "png", "-i", "pipe:0", "-pix_fmt", "yuv420p")
    data = ffmpeg(*words, "-f", "rawvideo", "-", data=joined)
    check_ffmpeg_codecs(Kind("420", 8, 416, 240, 4), data, tmp_path)


def check_ffmpeg_codecs(kind: Kind, data: bytes, folder: Path) -> None:
    rows = measured(folder, kind, data, list(CODECS))
    frames = rows_of_frames(folder)
    for spec, words in CODECS.items():
        name = spec.partition(":")[0]
        row = rows[name]
        if name in ONLY_420 and kind.chroma != "420":
            wanted = "yuv420p10le" if kind.depth == 10 else "yuv420p"
            assert row["status"] == "skipped" and f"--to {wanted}" in row["reason"]
            continue
        assert row["status"] == "done", row["reason"]
        deep = name == "vvenc" and kind.depth == 8
        given, pix_fmt = data, kind.pix_fmt
        if deep:
            given = (np.frombuffer(data, np.uint8).astype("<u2") * 4).tobytes()
            pix_fmt = "yuv420p10le"
        size = ("-s", f"{kind.width}x{kind.height}", "-r", str(kind.fps))
        source = ("-f", "rawvideo", "-pix_fmt", pix_fmt, *size, "-i", "pipe:0")
        stream = ffmpeg(*source, "-fps_mode", "passthrough", *words, "pipe:1", data=given)
        form = words[-1]
        if form in ("ivf", "avi"):
            assert int(row["bytes"]) - int(row["header_bytes"]) == sum(packets(stream, form))
        else:
            # two bytes say that a stream of 4:4:4 holds no RGB
            told = 2 if kind.chroma == "444" else 0
            assert int(row["bytes"]) == len(needed(stream, name)) + told, row["codec"]
        back = ("-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", pix_fmt, "pipe:1")
        decoded = ffmpeg("-r", "25", "-f", form, "-i", "pipe:0", *back, data=stream)
        check(row, kind, data, decoded, 10 if deep else kind.depth)
        check_frames(frames[name], row, kind, data, decoded, 10 if deep else kind.depth)
        if kind.width < 1920:  # frames come in the order of coding here
            assert [int(one["bytes"]) for one in frames[name]] == packets(
                needed(stream, name), form
            )
            assert "".join(one["type"] for one in frames[name]) == shown_types(stream, form)


REFERENCES = {
    "hm": ("BENCH_HM", "TAppEncoderStatic", "TAppDecoderStatic", "encoder_lowdelay_main_rext.cfg"),
    "vtm": ("BENCH_VTM", "EncoderAppStatic", "DecoderAppStatic", "encoder_lowdelay_vtm.cfg"),
}


def padded(kind: Kind, data: bytes, width: int, height: int) -> tuple[Kind, bytes]:
    """The clip with its last columns and rows repeated up to a size."""
    to, frames = replace(kind, width=width, height=height), []
    for frame in kind.frames_of(data, kind.depth):
        for plane, (h, w), (rows, columns) in zip(frame, kind.shapes, to.shapes, strict=True):
            whole = np.pad(plane.reshape(h, w), ((0, rows - h), (0, columns - w)), "edge")
            frames.append(whole.astype(np.uint8 if kind.depth == 8 else "<u2").tobytes())
    return to, b"".join(frames)


def cropped(kind: Kind, coded: Kind, data: bytes) -> bytes:
    """The clip of a decoder that writes 10 bits, without what was padded."""
    deep, kept = replace(coded, depth=10), []
    for frame in deep.frames_of(data, 10):
        for plane, (h, w), size in zip(frame, kind.shapes, coded.shapes, strict=True):
            kept.append(plane.reshape(size)[:h, :w].astype("<u2").tobytes())
    return b"".join(kept)


@pytest.mark.parametrize(
    ("chroma", "depth", "size"),
    [
        *(pytest.param(chroma, depth, (48, 32), id=f"{chroma}-{depth}")
          for chroma in ("420", "422", "444") for depth in (8, 10)),
        pytest.param("420", 10, (83, 45), id="odd"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", REFERENCES)
def test_reference_encoders_equal_bare_commands(
    name: str, chroma: str, depth: int, size: tuple[int, int], tmp_path: Path
) -> None:
    """As DCVC's test conditions call them, written out here."""
    variable, encoder, decoder, cfg = REFERENCES[name]
    root = Path(os.environ.get(variable) or "/nowhere").absolute()
    if not (root / "bin" / encoder).is_file():
        pytest.skip(f"no {variable} with bin/{encoder}")
    kind = Kind(chroma, depth, *size, 2)
    data = made(kind)
    spec = f"{name}:structure=low-delay,keyint=32,refresh=2,level=6.2,qp=32"
    row = measured(tmp_path, kind, data, [spec])[name]
    assert row["status"] == "done", row["reason"]
    step = 8 if name == "vtm" else 2  # sides of what is coded
    coded, given = padded(kind, data, *(-(-side // step) * step for side in size))
    (tmp_path / "in.yuv").write_bytes(given)
    quiet = {"cwd": tmp_path, "check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(
        [
            *(root / "bin" / encoder, "-c", root / "cfg" / cfg, "--InputFile=in.yuv"),
            *("--BitstreamFile=c.bin", "--ReconFile=rec.yuv", f"--InputBitDepth={depth}"),
            *(f"--InputChromaFormat={chroma}", f"--SourceWidth={coded.width}"),
            *(f"--SourceHeight={coded.height}", "--FrameRate=25", "--FramesToBeEncoded=2"),
            *("--IntraPeriod=32", "--QP=32"),
            *("--DecodingRefreshType=2", "--Level=6.2", "--ConformanceWindowMode=1"),
        ],
        **quiet,
    )  # fmt: skip
    stream = (tmp_path / "c.bin").read_bytes()
    told = 2 if chroma == "444" else 0 if coded == kind else 4
    assert int(row["bytes"]) == len(needed(stream, name)) + told
    subprocess.run([root / "bin" / decoder, "-b", "c.bin", "-o", "out.yuv", "-d", "10"], **quiet)
    decoded = cropped(kind, coded, (tmp_path / "out.yuv").read_bytes())
    check(row, kind, data, decoded, 10)
    frames = rows_of_frames(tmp_path)[name]
    check_frames(frames, row, kind, data, decoded, 10)
    assert sum(int(one["bytes"]) for one in frames) == int(row["bytes"]) - told
    assert "".join(one["type"] for one in frames) == "IB"
