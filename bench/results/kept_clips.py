"""Clips that a browser plays: kept reconstructions as VP9 in WebM, near enough to be looked at.

What a clip shows differs from what was decoded by at least ``LEAST_DB``; nothing is measured on it.
"""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np

from bench.colour import converted, convertible
from bench.signals import YUV420, Frame, Layout, PixelFormat, Signal, split_planes

LEAST_DB = 45.0
"""Luma and chroma together, of every frame, from the 8-bit 4:2:0 samples that are encoded."""
MOST_PIXELS = 64_000_000
"""Of larger clips the first frames are kept: 640 of 416×240, 30 of 1920×1080."""
_TRIES = ({"crf": "12"}, {"crf": "4"}, {"lossless": "1"})
# AVCOL_SPC and AVCOL_RANGE of libavutil/pixfmt.h
_MATRICES = {"bt709": 1, "bt601": 6, "bt2020": 9}


def playable(signal: Signal, source: Layout) -> bytes:
    """The signal as WebM of 8-bit 4:2:0: YUV in the matrix and range of its ``source``, which
    decoders do not say, anything else as BT.709 of limited range. Empty where it cannot be."""
    kind = replace(source.format, depth=signal.layout.depth)
    wanted = convertible(kind, YUV420)
    if wanted is None:
        return b""
    layout = replace(source, format=kind)
    frames = [
        frame if kind.name == YUV420.name else converted(frame, layout, wanted)
        for frame in islice(signal.frames(), max(1, MOST_PIXELS // (source.width * source.height)))
    ]
    for options in _TRIES:
        clip = _encoded(frames, source, wanted, options)
        if _least_db(frames, clip) >= LEAST_DB:
            break
    return clip


def _encoded(
    frames: list[Frame], layout: Layout, kind: PixelFormat, options: dict[str, str]
) -> bytes:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="webm") as container:
        rate = Fraction(layout.fps).limit_denominator(1 << 16)
        stream: Any = container.add_stream("libvpx-vp9", rate=rate)
        stream.width, stream.height, stream.pix_fmt = layout.width, layout.height, "yuv420p"
        context = stream.codec_context
        context.bit_rate, context.thread_count = 0, 1
        context.color_range = 2 if kind.full_range else 1
        context.colorspace = _MATRICES[kind.matrix or "bt709"]
        stream.options = {"deadline": "realtime", "cpu-used": "8", **options}
        laid_out = replace(layout, format=kind)
        for samples in frames:
            frame = av.VideoFrame(layout.width, layout.height, "yuv420p")
            for plane, part in zip(frame.planes, split_planes(samples, laid_out), strict=True):
                rows = np.zeros((plane.height, plane.line_size), np.uint8)
                rows[:, : part.shape[1]] = part
                plane.update(rows.tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _least_db(frames: list[Frame], clip: bytes) -> float:
    """PSNR of the frame that differs most."""
    import av

    worst = 0.0
    container: Any = av.open(io.BytesIO(clip))
    with container:
        shown = [_samples(frame) for frame in container.decode(video=0)]
    for one, other in zip(frames, shown, strict=True):
        worst = max(worst, float(np.square(one.astype(float) - other).mean()))
    return float(10 * np.log10(255**2 / worst)) if worst else np.inf


def _samples(frame: Any) -> Frame:
    parts = [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    ]
    return np.concatenate([part.ravel() for part in parts])
