"""What ffmpeg's filters libvmaf and xpsnr can be asked, whether a binary has it, and its versions.

Compares nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import ffmpeg

from bench.codecs.support import ffmpeg_binary
from bench.codecs.support.ffmpeg_binary import VARIABLE, command_of
from bench.errors import CodecError, Unavailable

Chroma = Literal["none", "420", "444"]
"""What a metric reads besides luma. ``none`` is sent as neutral 4:2:0."""
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
