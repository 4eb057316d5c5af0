"""Decoded frames kept for reading: small clips in memory, large ones in an unlinked file.

Holds 8-bit or float64 samples of one layout; never codes or converts them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from bench.errors import CodecError
from bench.signals import Frame, Layout, Signal

MEMORY_BYTES = 64 << 20
"""Clips whose samples take more than this go to a temporary file."""


class FrameBuffer:
    """Frames written in order, then read as often as asked. The file, if there is one, has no
    name and goes with this object."""

    def __init__(self, layout: Layout, *, memory_bytes: int | None = None) -> None:
        self.layout = layout
        self._memory_bytes = MEMORY_BYTES if memory_bytes is None else memory_bytes
        self._frames: list[Frame] = []
        self._file: int | None = None
        self.count = 0

    def append(self, frame: Frame) -> None:
        """Adds one frame of ``layout.frame_shape``. Raises CodecError for any other shape."""
        if frame.shape != self.layout.frame_shape:
            raise CodecError(f"frame {self.count} is {frame.shape}, not {self.layout.frame_shape}")
        self.count += 1
        if self._file is None and self.count * self.layout.frame_bytes <= self._memory_bytes:
            self._frames.append(frame)
            return
        if self._file is None:
            with tempfile.TemporaryFile() as file:
                self._file = os.dup(file.fileno())
            for earlier in self._frames:
                self._write(earlier)
            self._frames.clear()
        self._write(frame)

    def extend(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self.append(frame)

    def signal(self) -> Signal:
        """All frames so far, with the frame count in the layout."""
        return Signal(replace(self.layout, frames=self.count), self._open)

    def _write(self, frame: Frame) -> None:
        assert self._file is not None
        rest = np.ascontiguousarray(frame).data.cast("B")
        while rest:
            try:
                rest = rest[os.write(self._file, rest) :]
            except OSError as error:
                raise CodecError(
                    f"decoded frame {self.count - 1} cannot be kept in {tempfile.gettempdir()}: "
                    f"{error.strerror}; free space there or set TMPDIR"
                ) from error

    def _open(self) -> Iterator[Frame]:
        if self._file is None:
            yield from self._frames
            return
        size = self.layout.frame_bytes
        for index in range(self.count):
            data = os.pread(self._file, size, index * size)
            yield np.frombuffer(data, self.layout.frame_dtype).reshape(self.layout.frame_shape)

    def __del__(self) -> None:
        if self._file is not None:
            os.close(self._file)
