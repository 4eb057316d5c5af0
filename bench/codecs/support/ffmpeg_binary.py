"""The ffmpeg binary: which one, what encoders it has and of which versions, and its command lines.

Asked once per process; runs nothing that is measured.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache

import ffmpeg

from bench.errors import Unavailable
from bench.records import Value

VARIABLE = "BENCH_FFMPEG"
_PROBES = {
    "libx264": ("yuv420p", rb"x264 - core (\d+(?: r\w+)?)"),
    "libx265": ("yuv420p", rb"HEVC encoder version (\S+)"),
    "libvvenc": ("yuv420p10le", rb"libvvenc version: (\S+)"),
    "libsvtav1": ("yuv420p", rb"SVT-AV1 Encoder Lib (\S+)"),
    "libaom-av1": ("yuv420p", rb"libaom-av1 @ \w+\] (v?\d\S+)"),
    "libvpx-vp9": ("yuv420p", rb"libvpx-vp9 @ \w+\] (v\S+)"),
}
_COMPLAINT = re.compile(
    rb"(?:\] |^)((?:Error (?:parsing|setting) option|Unknown (?:vvenc )?option|Invalid value|"
    rb"bad option|bad value|[\w-]+: Invalid parameter|Unrecognized option|"
    rb"Failed to initialize encoder)[^\r\n]*)",
    re.MULTILINE,
)


def find_ffmpeg() -> str:
    """Path of the binary: ``$BENCH_FFMPEG`` (a path, or ``system`` for the one on PATH), else
    imageio-ffmpeg's. Raises Unavailable with the cure."""
    return _find(os.environ.get(VARIABLE, ""))


@cache
def _find(wish: str) -> str:
    if wish:
        found = shutil.which("ffmpeg" if wish == "system" else wish)
        if found is None:
            raise Unavailable(
                f"{VARIABLE}={wish}: no such program; unset it to use the one of imageio-ffmpeg"
            )
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise Unavailable(
            f"no ffmpeg: {error}; install it: pip install imageio-ffmpeg, or set {VARIABLE}"
        ) from error


def command_of(
    output: ffmpeg.Stream, *, loglevel: str = "error", binary: str | None = None
) -> list[str]:
    """The argument list of an ffmpeg-python graph, complete, for a binary or the one in use."""
    quiet = ("-nostdin", "-hide_banner", "-loglevel", loglevel)
    compiled: list[str] = output.global_args(*quiet).compile(cmd=binary or find_ffmpeg())
    return compiled


def _ask(command: Sequence[str]) -> bytes:
    """All that ffmpeg says to a question."""
    binary = command[0]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{binary} does not run: {error}; set {VARIABLE} to another") from error
    return done.stdout + done.stderr


@cache
def _encoders(binary: str) -> frozenset[str]:
    names = re.findall(
        rb"^ [VAS][\w.]{5} (\S+)", _ask([binary, "-hide_banner", "-encoders"]), re.MULTILINE
    )
    return frozenset(name.decode() for name in names)


def check_encoder(codec: str, encoder: str) -> None:
    """Raises Unavailable where ffmpeg is missing or was built without the encoder."""
    binary = find_ffmpeg()
    if encoder not in _encoders(binary):
        raise Unavailable(
            f"{codec}: {binary} has no {encoder}; unset {VARIABLE} or install imageio-ffmpeg"
        )


def complaint(encoder: str, options: Mapping[str, Value]) -> str | None:
    """What ffmpeg or the encoder says of options that it does not know or cannot read: many warn,
    and code as if they were not there."""
    return _complaint(find_ffmpeg(), encoder, tuple(options.items())) if options else None


@cache
def _complaint(binary: str, encoder: str, given: tuple[tuple[str, Value], ...]) -> str | None:
    options = {"vcodec": encoder, "threads": 1, **dict(given)}
    output = _one_frame().output("pipe:1", vframes=1, pix_fmt="yuv420p", format="null", **options)
    match = _COMPLAINT.search(_ask(command_of(output, loglevel="warning", binary=binary)))
    return match[1].decode(errors="replace").strip() if match else None


def versions(encoder: str) -> dict[str, str]:
    """Versions of ffmpeg and of the encoder's library, as the binary tells them."""
    return _versions(find_ffmpeg(), encoder)


def _one_frame() -> ffmpeg.Stream:
    return ffmpeg.input("color=s=64x64", format="lavfi")


@cache
def _versions(binary: str, encoder: str) -> dict[str, str]:
    match = re.search(rb"ffmpeg version (\S+)", _ask([binary, "-version"]))
    found = {"ffmpeg": match[1].decode() if match else "unknown"}
    if encoder in _PROBES:
        pix_fmt, pattern = _PROBES[encoder]
        # one frame through the encoder: the library's version is in its log or its signature
        output = _one_frame().output(
            "pipe:1", vframes=1, pix_fmt=pix_fmt, vcodec=encoder, threads=1, format="rawvideo"
        )
        match = re.search(pattern, _ask(command_of(output, loglevel="verbose")))
        found[encoder] = match[1].decode() if match else "unknown"
    return found
