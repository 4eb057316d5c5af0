"""What is long, large or many: seconds, frames a second and peaks of memory, as Markdown."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tests.speed.clips import METRICS, Clip, bare, typed, x264
from tests.speed.usage import Usage, measure

UHD = {"width": 3840, "height": 2160}
_FAST = x264((27, 37), preset="ultrafast")


@dataclass(frozen=True, slots=True)
class Case:
    """One command; ``frames`` are those that it codes and compares, of pictures none."""

    title: str
    usage: Usage
    frames: int = 0

    @property
    def row(self) -> str:
        used = self.usage
        rate = f"{self.frames / used.wall_seconds:.1f}" if self.frames else ""
        return (
            f"| {self.title} | {used.wall_seconds:.1f} | {used.cpu_seconds:.1f} | {rate} "
            f"| {used.peak_mebibytes:.0f} | {used.own_mebibytes:.0f} |"
        )


def write_pictures(folder: Path, count: int, side: int = 16) -> Path:
    """So many gray PNG files, all different."""
    folder.mkdir()
    for number in range(count):
        pixels = np.full((side, side), number % 251, np.uint8)
        pixels[0, :4] = [number >> shift & 255 for shift in (0, 8, 16, 24)]
        cv2.imwrite(str(folder / f"{number:05d}.png"), pixels)
    return folder


def _clips(folder: Path) -> Iterator[Case]:
    out = folder / "out"
    sizes = {"1080p": {}, "4K": UHD}
    for name, size in sizes.items():
        source = Clip(30, **size).write(folder / "clip.y4m")
        command = typed(source, out, "none", "--jobs", 1, "--no-report")
        yield Case(f"{name} × 30, `none`, one worker", measure(command, memory=True), 30)
    for name, frames, size in (("1080p", 600, {}), ("4K", 60, UHD)):
        source = Clip(frames, **size).write(folder / "clip.y4m")
        title = f"{name} × {frames}, `{_FAST}`, two workers"
        used = measure(typed(source, out, _FAST, "--jobs", 2), memory=True)
        yield Case(title, used, 2 * frames)
    source.unlink()
    source = Clip(60, **UHD).write(folder / "clip.y4m")
    used = measure(bare(source, folder, (27, 37)), memory=True)
    yield Case("4K × 60, bare ffmpeg, `medium`, two at a time", used, 120)
    source.unlink()


def _pictures(folder: Path) -> Iterator[Case]:
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    (folder / "large").mkdir()
    picture = cv2.resize(noise, (12_000, 9_000), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(folder / "large" / "large.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    del picture
    for title, place, codec, metrics, jobs in (
        ("a picture of 12,000×9,000", folder / "large", "jpeg:quality=50", "psnr_rgb,ssim", 1),
        ("20,000 pictures, two workers", write_pictures(folder / "many", 20_000), "none",
         "psnr_rgb", 2),
        ("5,000 tasks in one worker", write_pictures(folder / "few", 500),
         f"jpeg:quality={'+'.join(map(str, range(5, 96, 10)))}", "psnr_rgb,ssim", 1),
    ):  # fmt: skip
        command = typed(place, folder / "out", codec, "--jobs", jobs, metrics=metrics)
        yield Case(f"{title}, `{codec}`", measure(command, memory=True))


def large_report() -> str:
    """The section of the page; minutes."""
    with tempfile.TemporaryDirectory() as name:
        cases = [*_clips(Path(name)), *_pictures(Path(name))]
    lines = [
        "",
        "## Clips, large pictures, many of them",
        "",
        f"Whole commands as typed, start and report included; of clips with {METRICS}. Memory is",
        "the largest sum over all processes, shared pages counted once, and the largest of those",
        "that run Python: the rest is the encoder's, the decoder's and libvmaf's. libvmaf",
        "alone holds 0.7 GB at 4K, x264-medium 1.6 GB.",
        "",
        "| what | seconds | CPU, s | frames/s | peak, MiB | of it Python, MiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(case.row for case in cases),
    ]
    return "\n".join(lines) + "\n"
