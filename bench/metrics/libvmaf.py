"""libvmaf through ffmpeg's filter. Owns the process and its input; chooses no binary."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from bench.codecs.support.ffmpeg_binary import command_of
from bench.colour import RGB_TO_YUV
from bench.errors import CodecError, Unavailable
from bench.signals import Frame, Layout, Signal, split_planes

Plane = NDArray[np.uint8]
Range = Literal["full", "limited"]
_SCORE = re.compile(r"VMAF score: ([0-9.]+)")


def vmaf(reference: Signal, decoded: Iterable[Frame], binary: str) -> float:
    """Mean VMAF over frames, of libvmaf's default model.

    libvmaf looks at luma alone: that of a 4:2:0 source as it is, of RGB and gray converted to
    BT.709 limited range (16–235), which is what its model was fitted to. Both sides go through one
    pipe, one above the other, so that they cannot lose step. Raises Unavailable if ``binary`` has
    no libvmaf, CodecError if it fails.
    """
    layout = reference.layout
    width, height = _even(layout.width), _even(layout.height)
    luma = _luma(layout)
    chroma = np.full(width * height, 128, np.uint8).data
    pairs = zip(reference.frames(), decoded, strict=True)
    pictures = ((_padded(luma(one)), _padded(luma(other)), chroma) for one, other in pairs)
    command = _command(width, height, "yuv420p", binary, {})
    text = _run(command, chain.from_iterable(pictures))
    found = _SCORE.search(text)
    if found is None:
        raise _failure(binary, text)
    return float(found.group(1))


def feature(
    reference: Signal, decoded: Iterable[Frame], binary: str, name: str, key: str, *, values: Range
) -> NDArray[np.float64]:
    """Of each frame ``key``, one of the numbers of libvmaf's feature extractor ``name``; infinite
    where nothing differs. RGB is converted to Y'CbCr BT.709 4:4:4 in 8 bits of full or limited
    range; the planes of a 4:2:0 source stay as they are. Errors are those of ``vmaf``.
    """
    layout = reference.layout
    planes = _planes(layout, values)
    subsampled = layout.samples == "yuv420"
    width = _even(layout.width) if subsampled else layout.width
    height = _even(layout.height) if subsampled else layout.height
    pairs = zip(reference.frames(), decoded, strict=True)
    parts = (
        plane
        for one, other in pairs
        for both in zip(planes(one), planes(other), strict=True)
        for plane in both
    )
    pixels = "yuv420p" if subsampled else "yuv444p"
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.json"
        options = {"model": "", "feature": f"name={name}", "log_fmt": "json", "log_path": str(log)}
        text = _run(_command(width, height, pixels, binary, options), parts)
        try:
            frames = json.loads(log.read_text())["frames"]
            found = [frame["metrics"][key] for frame in frames]
        except (OSError, ValueError, KeyError):
            raise _failure(binary, text) from None
    # JSON has no infinity, which libvmaf writes as null
    return np.array([np.inf if value is None else value for value in found], np.float64)


def _even(side: int) -> int:
    return side + side % 2


def _command(
    width: int, height: int, pixels: str, binary: str, options: dict[str, str]
) -> list[str]:
    """ffmpeg on frames of which the upper half is the reference and the lower half decoded."""
    size = f"{width}x{2 * height}"
    both = ffmpeg.input("pipe:0", format="rawvideo", pix_fmt=pixels, s=size).split()
    above = both[0].filter("crop", width, height, 0, 0)
    below = both[1].filter("crop", width, height, 0, height)
    score = ffmpeg.filter([below, above], "libvmaf", **options).output("pipe:1", format="null")
    single = score.global_args("-filter_complex_threads", "1")
    return command_of(single, loglevel="info", binary=binary)


def _run(command: list[str], parts: Iterator[Any]) -> str:
    """What ffmpeg says while it reads the parts."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log
        )
        assert process.stdin is not None
        try:
            for part in parts:
                process.stdin.write(part)
            process.stdin.close()
            process.wait()
        except BrokenPipeError:
            process.wait()
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        return log.read().decode(errors="replace")


def _failure(binary: str, text: str) -> Exception:
    if "No such filter: 'libvmaf'" in text:
        return Unavailable(
            f"{binary}: built without libvmaf; unset BENCH_FFMPEG or drop what needs it"
        )
    last = text.strip().splitlines()[-1:] or ["no word from ffmpeg"]
    return CodecError(f"libvmaf failed: {last[0]}")


def _luma(layout: Layout) -> Callable[[Frame], Plane]:
    def limited(full: NDArray[Any]) -> Plane:
        rounded: Plane = np.rint(16 + full * np.float32(219 / 255)).astype(np.uint8)
        return rounded

    if layout.samples == "yuv420":
        return lambda frame: split_planes(frame, layout)[0]
    if layout.samples == "rgb":
        weights = RGB_TO_YUV[0].astype(np.float32)
        return lambda frame: limited(frame.astype(np.float32) @ weights)
    return lambda frame: limited(frame.astype(np.float32))


def _planes(layout: Layout, values: Range) -> Callable[[Frame], list[Any]]:
    """Y, U and V of a frame, each ready to write."""
    if layout.samples == "yuv420":
        return lambda frame: [
            _padded(plane) if index == 0 else np.ascontiguousarray(plane).data
            for index, plane in enumerate(split_planes(frame, layout))
        ]
    scale = (219 / 255, 224 / 255, 224 / 255) if values == "limited" else (1.0, 1.0, 1.0)
    matrix = (RGB_TO_YUV * np.array(scale)[:, None]).T.astype(np.float32)
    offset = np.array((16 if values == "limited" else 0, 128, 128), np.float32)

    def converted(frame: Frame) -> list[Any]:
        yuv = np.rint(frame.astype(np.float32) @ matrix + offset)
        samples = np.clip(yuv, 0, 255).astype(np.uint8)
        return [np.ascontiguousarray(samples[..., index]).data for index in range(3)]

    return converted


def _padded(luma: Plane) -> Any:
    """Luma with even sides, the last row or column repeated, ready to write."""
    height, width = luma.shape
    if height % 2 or width % 2:
        luma = np.pad(luma, ((0, height % 2), (0, width % 2)), mode="edge")
    return np.ascontiguousarray(luma).data
