"""ffmpeg's filters libvmaf and xpsnr: what they can be asked, whether a binary has them and of
which versions, the process that compares two clips, and what it is fed.

Several metrics of one pair are computed in one pass. Chooses no binary and no metric.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import re
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import ffmpeg

from bench.codecs.support import ffmpeg_binary
from bench.codecs.support.ffmpeg_binary import VARIABLE, command_of
from bench.errors import CodecError, Unavailable
from bench.metrics.base import ClipValues
from bench.processes.pool import available_cores

# a list of metrics asks for versions alone and imports no numpy
if TYPE_CHECKING:
    from bench.metrics.limited_range import Chroma, Plane
    from bench.signals import Layout, Signal

_LARGE_PIXELS = 4_000_000
_SMALL_MACHINE_CORES = 8
_PROBE = "color=s=256x256:d=0.04"
"""One frame, as large as every model needs."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One number a frame: of a model of libvmaf, of one of its feature extractors, which calls it
    by ``id``, or, with neither, of xpsnr's luma. ``chroma`` is what it reads of RGB."""

    id: str
    model: str = ""
    feature: str = ""
    chroma: Chroma = "none"


@dataclass(frozen=True, slots=True)
class Logs:
    """Where the filters write what they measure."""

    folder: Path

    @property
    def libvmaf(self) -> Path:
        return self.folder / "vmaf.json"

    @property
    def xpsnr(self) -> Path:
        return self.folder / "xpsnr.txt"


def libvmaf_options(wanted: Iterable[Wanted], logs: Logs) -> dict[str, str]:
    """Of the filter; none where nothing is libvmaf's. Without a model it would take its own."""
    wanted = list(wanted)
    models = [f"version={one.model}:name={one.id}" for one in wanted if one.model]
    features = [f"name={one.feature}" for one in wanted if one.feature]
    if not (models or features):
        return {}
    return {
        # a side that lacks a frame is a failure, never its last frame again
        "eof_action": "endall",
        **({"feature": "|".join(features)} if features else {}),
        "log_fmt": "json",
        "log_path": str(logs.libvmaf),
        "model": "|".join(models),
    }


def failure(binary: str, text: str) -> Exception:
    for name in ("libvmaf", "xpsnr"):
        if f"No such filter: '{name}'" in text:
            return Unavailable(
                f"{binary}: built without {name}; unset {VARIABLE} or drop what needs it"
            )
    model = re.search(r"could not load libvmaf model with version: (\S+)", text)
    if model is not None:
        return Unavailable(
            f"{binary}: its libvmaf has no model {model[1]}; unset {VARIABLE} or set it to an "
            "ffmpeg with a newer libvmaf"
        )
    last = text.strip().splitlines()[-1:] or ["no word from ffmpeg"]
    return CodecError(f"ffmpeg's filters failed: {last[0]}")


def versions(wanted: Wanted, binary: str) -> dict[str, str]:
    """Of ffmpeg, of libvmaf as its log says it, and the model's name. Raises Unavailable where
    ``binary`` cannot compute this."""
    found = {**ffmpeg_binary.versions("xpsnr"), **_probe(wanted, binary)}
    return {**found, **({"model": wanted.model} if wanted.model else {})}


@cache
def _probe(wanted: Wanted, binary: str) -> Mapping[str, str]:
    """The version of libvmaf, if it is that, of one frame of one colour against itself."""
    with tempfile.TemporaryDirectory() as folder:
        logs = Logs(Path(folder))
        options = libvmaf_options([wanted], logs)
        both = ffmpeg.input(_PROBE, format="lavfi").filter("format", "yuv420p").split()
        name = "libvmaf" if options else "xpsnr"
        score = ffmpeg.filter([both[0], both[1]], name, **options).output("pipe:1", format="null")
        try:
            done = subprocess.run(
                command_of(score, binary=binary), stdin=subprocess.DEVNULL, capture_output=True,
                timeout=60, check=False, text=True, errors="replace",
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{binary} does not run: {error}; set {VARIABLE}") from error
        if done.returncode:
            raise Unavailable(str(failure(binary, done.stderr)))
        if not options:
            return {}
        try:
            return {"libvmaf": str(json.loads(logs.libvmaf.read_text())["version"])}
        except (OSError, ValueError, KeyError):
            return {"libvmaf": "unknown"}


def measure(
    wanted: Collection[Wanted], reference: Signal, decoded: Signal, binary: str
) -> dict[str, ClipValues]:
    """All of ``wanted`` by id; infinite where nothing differs.

    Both sides go through one pipe, one above the other, so that they cannot lose step. Raises
    Unavailable if ``binary`` lacks a filter, CodecError if it fails.
    """
    found: dict[str, ClipValues] = {}
    for together in _passes(wanted, reference.layout):
        found |= _one_pass(together, reference, decoded, binary)
    return found


def _passes(wanted: Collection[Wanted], layout: Layout) -> list[list[Wanted]]:
    """What can take the same planes: of RGB, 4:4:4 and 4:2:0 apart."""
    if layout.samples != "rgb":
        return [list(wanted)]
    full = [one for one in wanted if one.chroma == "444"]
    rest = [one for one in wanted if one.chroma != "444"]
    return [group for group in (full, rest) if group]


def _one_pass(
    wanted: Sequence[Wanted], reference: Signal, decoded: Signal, binary: str
) -> dict[str, ClipValues]:
    from bench.metrics.limited_range import converter

    layout = reference.layout
    read = {one.chroma for one in wanted}
    chroma: Chroma = "none" if read == {"none"} else "420"
    if layout.samples == "rgb" and read == {"444"}:
        chroma = "444"
    planes = converter(layout, chroma)
    pairs = zip(reference.frames(), decoded.frames(), strict=True)
    parts = chain.from_iterable(_stacked(planes(one), planes(other)) for one, other in pairs)
    with tempfile.TemporaryDirectory() as folder:
        logs = Logs(Path(folder))
        with _turn(layout):
            text = _run(_command(wanted, layout, chroma, logs, binary), parts)
        try:
            found = {**_of_libvmaf(wanted, logs), **_of_xpsnr(wanted, logs)}
        except (OSError, ValueError, KeyError):
            raise failure(binary, text) from None
    if any(len(one.frames) != layout.frames for one in found.values()):
        raise failure(binary, text)
    return found


def _stacked(above: Sequence[Plane], below: Sequence[Plane]) -> Iterator[memoryview]:
    import numpy as np

    for planes in zip(above, below, strict=True):
        yield from (np.ascontiguousarray(plane).data.cast("B") for plane in planes)


def _command(
    wanted: Sequence[Wanted], layout: Layout, chroma: Chroma, logs: Logs, binary: str
) -> list[str]:
    """ffmpeg on frames of which the upper half is the reference and the lower half decoded."""
    from bench.metrics.limited_range import planes_of

    kind = planes_of(layout, chroma)
    width = layout.width + layout.width % (1 if kind == "444" else 2)
    height = layout.height + layout.height % (2 if kind == "420" else 1)
    pixels = f"yuv{kind}p" if layout.depth == 8 else f"yuv{kind}p{layout.depth}le"
    both = ffmpeg.input(
        "pipe:0", format="rawvideo", pix_fmt=pixels, s=f"{width}x{2 * height}",
        framerate=str(layout.fps),
    ).split()  # fmt: skip
    halves = (both[place].filter("crop", width, height, 0, place % 2 * height) for place in count())
    scores = []
    if options := libvmaf_options(wanted, logs):
        above, below = next(halves), next(halves)
        scores.append(ffmpeg.filter([below, above], "libvmaf", **options))
    if any(not (one.model or one.feature) for one in wanted):
        above, below = next(halves), next(halves)
        options = {"eof_action": "endall", "stats_file": str(logs.xpsnr)}
        scores.append(ffmpeg.filter([above, below], "xpsnr", **options))
    single = ffmpeg.output(*scores, "pipe:1", format="null").global_args(
        "-filter_complex_threads", "1"
    )
    return command_of(single, loglevel="info", binary=binary)


def _of_libvmaf(wanted: Sequence[Wanted], logs: Logs) -> Mapping[str, ClipValues]:
    import numpy as np

    names = [one.id for one in wanted if one.model or one.feature]
    if not names:
        return {}
    frames = json.loads(logs.libvmaf.read_text())["frames"]
    columns = {name: [frame["metrics"][name] for frame in frames] for name in names}
    # JSON has no infinity, which libvmaf writes as null
    return {
        name: ClipValues(np.array([math.inf if one is None else one for one in column], np.float64))
        for name, column in columns.items()
    }


def _of_xpsnr(wanted: Sequence[Wanted], logs: Logs) -> Mapping[str, ClipValues]:
    """Luma of each frame, and of the clip the filter's own average, which is no mean of these."""
    import numpy as np

    names = [one.id for one in wanted if not (one.model or one.feature)]
    if not names:
        return {}
    text = logs.xpsnr.read_text()
    frames = re.findall(r"^n: *\d+  XPSNR y: (\S+)", text, re.MULTILINE)
    average = re.search(r"^XPSNR average, \d+ frames  y: (\S+)", text, re.MULTILINE)
    if average is None:
        raise ValueError(text)
    values = np.array([float(value) for value in frames])
    return {name: ClipValues(values, float(average[1])) for name in names}


@contextlib.contextmanager
def _turn(layout: Layout) -> Iterator[None]:
    """On small machines one comparison of large frames at a time: libvmaf holds 350 bytes a pixel,
    three quarters of a gigabyte at 3840x2160. Workers of a run share their temporary folder."""
    if layout.width * layout.height < _LARGE_PIXELS or available_cores() > _SMALL_MACHINE_CORES:
        yield
        return
    handle = os.open(tempfile.gettempdir(), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _run(command: list[str], parts: Iterable[memoryview]) -> str:
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
