"""VMAF through ffmpeg's libvmaf, on luma. Owns the process and its input; chooses no binary."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from bench.codecs.support.ffmpeg_binary import command_of
from bench.colour import RGB_TO_YUV
from bench.errors import CodecError, Unavailable
from bench.signals import Frame, Layout, Signal, split_planes

_SCORE = re.compile(r"VMAF score: ([0-9.]+)")


def vmaf(reference: Signal, decoded: Iterable[Frame], binary: str) -> float:
    """Mean VMAF over frames, of libvmaf's default model.

    libvmaf looks at luma alone: that of a 4:2:0 source as it is, of RGB and gray converted to
    BT.709 limited range (16–235), which is what its model was fitted to. Both sides go through one
    pipe, one above the other, so that they cannot lose step. Raises Unavailable if ``binary`` has
    no libvmaf, CodecError if it fails.
    """
    layout = reference.layout
    width, height = layout.width + layout.width % 2, layout.height + layout.height % 2
    luma = _luma(layout)
    chroma = np.full(width * height, 128, np.uint8).data
    pairs = zip(reference.frames(), decoded, strict=True)
    pictures = ((_padded(luma(one)), _padded(luma(other)), chroma) for one, other in pairs)
    return _score(_command(width, height, binary), chain.from_iterable(pictures))


def _command(width: int, height: int, binary: str) -> list[str]:
    """ffmpeg on frames of which the upper half is the reference and the lower half decoded."""
    size = f"{width}x{2 * height}"
    both = ffmpeg.input("pipe:0", format="rawvideo", pix_fmt="yuv420p", s=size).split()
    above = both[0].filter("crop", width, height, 0, 0)
    below = both[1].filter("crop", width, height, 0, height)
    score = ffmpeg.filter([below, above], "libvmaf").output("pipe:1", format="null")
    single = score.global_args("-filter_complex_threads", "1")
    return command_of(single, loglevel="info", binary=binary)


def _score(command: list[str], parts: Iterator[Any]) -> float:
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
        text = log.read().decode(errors="replace")
    found = _SCORE.search(text)
    if found:
        return float(found.group(1))
    if "No such filter: 'libvmaf'" in text:
        raise Unavailable(f"{command[0]}: built without libvmaf; unset BENCH_FFMPEG or drop vmaf")
    last = text.strip().splitlines()[-1:] or [f"exit status {process.returncode}"]
    raise CodecError(f"libvmaf failed: {last[0]}")


def _luma(layout: Layout) -> Callable[[Frame], NDArray[np.uint8]]:
    def limited(full: NDArray[Any]) -> NDArray[np.uint8]:
        rounded: NDArray[np.uint8] = np.rint(16 + full * np.float32(219 / 255)).astype(np.uint8)
        return rounded

    if layout.samples == "yuv420":
        return lambda frame: split_planes(frame, layout)[0]
    if layout.samples == "rgb":
        weights = RGB_TO_YUV[0].astype(np.float32)
        return lambda frame: limited(frame.astype(np.float32) @ weights)
    return lambda frame: limited(frame.astype(np.float32))


def _padded(luma: NDArray[np.uint8]) -> Any:
    """Luma with even sides, the last row or column repeated, ready to write."""
    height, width = luma.shape
    if height % 2 or width % 2:
        luma = np.pad(luma, ((0, height % 2), (0, width % 2)), mode="edge")
    return np.ascontiguousarray(luma).data
