"""The reconstruction of a clip as a file that players read, sample by sample what was decoded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.codecs.support.exchange import write_video
from bench.codecs.support.planes import PlaneFormat
from bench.signals import Layout, Signal

_RGB = {8: ("rgb24", "bgr0"), 16: ("rgb48le", "gbrp16le")}
"""By depth the names of packed samples and of those that FFV1 codes."""


def suffix_of(layout: Layout) -> str | None:
    """Y4M for YUV and gray, Matroska with FFV1 for RGB; None for what neither holds."""
    if layout.samples != "rgb":
        return ".y4m" if layout.depth <= 12 else None
    return ".mkv" if layout.depth in _RGB else None


def write_clip(path: Path, decoded: Signal, source: Layout) -> None:
    """Writes all frames; range and rate are those of the ``source``."""
    kind = replace(source.format, depth=decoded.layout.depth)
    signal = replace(decoded, layout=replace(decoded.layout, format=kind, fps=source.fps))
    if kind.samples == "rgb":
        _write_matroska(path, signal)
        return
    layout = signal.layout
    with path.open("wb"):  # says what is wrong with the place before anything is encoded
        pass
    write_video(path, signal, PlaneFormat(kind.chroma, kind.depth, layout.width, layout.height))


def _write_matroska(path: Path, signal: Signal) -> None:
    import av

    layout = signal.layout
    packed, coded = _RGB[layout.depth]
    with av.open(str(path), "w", format="matroska") as container:
        stream: Any = container.add_stream("ffv1", rate=layout.fps.limit_denominator(1 << 16))
        stream.width, stream.height, stream.pix_fmt = layout.width, layout.height, coded
        for samples in signal.frames():
            frame = av.VideoFrame.from_ndarray(samples, format=packed)
            container.mux(stream.encode(frame.reformat(format=coded)))
        container.mux(stream.encode(None))
