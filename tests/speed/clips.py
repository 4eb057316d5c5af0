"""A clip through the command line and through bare ffmpeg: the same streams and scores, what either
takes, and the memory of long and large ones."""

from __future__ import annotations

import csv
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.codecs.support.ffmpeg_binary import find_ffmpeg
from tests.speed.usage import Usage, measure

CRFS = (22, 27, 32, 37)
METRICS = "psnr_y,psnr_yuv,vmaf"
_NOISE = "noise=alls=8:allf=t"
"""As of a camera: without it a synthetic picture costs an encoder next to nothing."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Moving patterns with noise: 4:2:0 at 30 frames a second."""

    frames: int
    width: int = 1920
    height: int = 1080
    depth: int = 8

    def write(self, path: Path) -> Path:
        kind = "yuv420p" if self.depth == 8 else f"yuv420p{self.depth}le"
        source = f"testsrc2=size={self.width}x{self.height}:rate=30,{_NOISE},format={kind}"
        subprocess.run(
            [find_ffmpeg(), "-y", "-v", "error", "-f", "lavfi", "-i", source,
             "-frames:v", str(self.frames), "-strict", "-1", str(path)],
            check=True,
        )  # fmt: skip
        return path


def typed(clip: Path, out: Path, codecs: str, *words: object, metrics: str = METRICS) -> list[str]:
    """The command as a user types it, into a folder that is emptied first."""
    return [sys.executable, "-m", "bench", "run", "--input", str(clip), "--codecs", codecs,
            "--metrics", metrics, "--fresh", "--out", str(out), *map(str, words)]  # fmt: skip


def x264(crfs: Sequence[int] = CRFS, preset: str = "medium") -> str:
    return f"x264:preset={preset},crf={'+'.join(map(str, crfs))}"


def bare(clip: Path, folder: Path, crfs: Sequence[int] = CRFS, jobs: int = 2) -> list[str]:
    """What gives the same streams and scores without a harness: encode; decode and compare."""
    quiet = f"{shlex.quote(find_ffmpeg())} -nostdin -y -v error -threads 1"
    source = shlex.quote(str(clip))
    encode = (
        f"{quiet} -i {source} -c:v libx264 -preset medium -tune psnr -crf $1 -g 250 -threads 1"
        " -x264-params lookahead-threads=1 $1.264"
    )
    compare = (
        f"{quiet} -r 30 -i $1.264 -i {source} -lavfi"
        ' "[0:v][1:v]libvmaf=feature=name=psnr:log_fmt=json:log_path=$1.json" -f null -'
    )
    each = f"printf '%s\\n' {' '.join(map(str, crfs))} | xargs -P {jobs} -I CRF sh -c"
    script = f"{encode} && {compare}"
    return ["sh", "-c", f"cd {shlex.quote(str(folder))} && {each} {shlex.quote(script)} sh CRF"]


def check_scores(out: Path, folder: Path, crfs: Sequence[int] = CRFS) -> None:
    """Both measured the same: VMAF to the last digit, PSNR of luma to those that libvmaf logs."""
    with (out / "records.csv").open() as file:
        rows = {row["point"]: row for row in csv.DictReader(file)}
    for crf in crfs:
        frames = json.loads((folder / f"{crf}.json").read_text())["frames"]
        row = rows[f"crf={crf}"]
        for ours, theirs in (("vmaf", "vmaf"), ("psnr_y", "psnr_y")):
            mean = sum(frame["metrics"][theirs] for frame in frames) / len(frames)
            assert abs(float(row[ours]) - mean) < 1e-5, (crf, ours, row[ours], mean)
    verdicts = json.loads((out / "run.json").read_text())["verdicts"]
    assert [one["passed"] for one in verdicts if one["check"] == "fresh_decode"] == [True] * len(
        crfs
    )


@dataclass(frozen=True, slots=True)
class Sides:
    """One run of ours and one of the bare commands, one after the other."""

    ours: Usage
    bare: Usage

    @property
    def wall_ratio(self) -> float:
        return self.ours.wall_seconds / self.bare.wall_seconds

    @property
    def cpu_ratio(self) -> float:
        return self.ours.cpu_seconds / self.bare.cpu_seconds


def side_by_side(clip: Path, folder: Path, crfs: Sequence[int] = CRFS) -> Sides:
    """The whole command, fresh decodes, tables and page included, beside the bare commands."""
    folder.mkdir(exist_ok=True)
    theirs = measure(bare(clip, folder, crfs))
    ours = measure(typed(clip, folder / "out", x264(crfs), "--jobs", 2))
    check_scores(folder / "out", folder, crfs)
    return Sides(ours, theirs)
