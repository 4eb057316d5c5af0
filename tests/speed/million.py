"""Results folders of any size, by the store's own writer, and what commands take on them."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from bench.records import Record, columns_of
from bench.results.packed import pack
from bench.results.table import FILE, Cell, write_records
from tests.unit.report import samples

CODECS, POINTS = 50, 20
SCORES = ("mse", "psnr_rgb", "psnr_y", "psnr_yuv", "ssim", "ms_ssim")
WIDTH, HEIGHT = 768, 512


def results_of(folder: Path, records: int, *, seed: int = 0, shift_db: float = 0.0) -> Path:
    """A finished run of about ``records``: 50 codecs at 20 points on as many pictures as that
    takes. ``shift_db`` is what all qualities lose, whose streams then are others."""
    items = max(1, records // (CODECS * POINTS))
    folder.mkdir(parents=True, exist_ok=True)
    columns = columns_of(SCORES)
    write_records(folder / FILE, _rows(items, seed, shift_db), columns)
    ladder = [f"q={point}" for point in range(POINTS)]
    infos = [samples.codec_info(f"codec{codec:02d}", ladder) for codec in range(CODECS)]
    samples.run_info(infos, items=items, anchor="codec00").write(folder)
    return folder


def _rows(items: int, seed: int, shift_db: float) -> Iterator[tuple[Cell, ...]]:
    generator = np.random.default_rng(seed)
    hard = generator.normal(0, 0.5, items)
    names = [f"picture{item:06d}.png" for item in range(items)]
    for codec in range(CODECS):
        for point in range(POINTS):
            bpp = 0.1 * 1.25**point * np.exp(hard) * (1 + 0.01 * codec)
            psnr = 27 + 0.8 * point - 2 * hard + generator.normal(0, 0.02, items) - shift_db
            sizes = np.round(bpp * WIDTH * HEIGHT / 8).astype(int).tolist()
            for name, size, db in zip(names, sizes, psnr.tolist(), strict=True):
                yield pack(_record(codec, point, name, size, db)).row


def _record(codec: int, point: int, item: str, size: int, db: float) -> Record:
    mark = sha256(f"{codec} {point} {item} {db}".encode()).hexdigest()
    return Record(
        suite="made", dataset="made", item=item, codec=f"codec{codec:02d}", point=f"q={point}",
        status="done", width=WIDTH, height=HEIGHT, frames=1, channels=3, bytes=size,
        header_bytes=min(20, size), discarded_bytes=0, bpp=8 * size / (WIDTH * HEIGHT),
        scores={
            "mse": 255.0**2 / 10 ** (db / 10), "psnr_rgb": db, "psnr_y": db + 1 / 3,
            "psnr_yuv": db + 2 / 3, "ssim": 1 - 10 ** (-db / 25), "ms_ssim": 1 - 10 ** (-db / 20),
        },
        encode_seconds=0.02 + size * 1e-9, decode_seconds=0.01 + size * 1e-9,
        bitstream_sha256=mark, parallel=2, encode_cpu_seconds=0.02 + size * 1.1e-9,
        decode_cpu_seconds=0.01 + size * 1.1e-9, fingerprint=mark[:24],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Taken:
    """What one command took, as typed: seconds of wall and of CPU, and its largest memory."""

    command: str
    records: int
    wall_seconds: float
    cpu_seconds: float
    peak_mebibytes: float


_CALL = """
import re, resource, sys
from pathlib import Path
from bench.cli import main
status = main(sys.argv[1:])
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
# ru_maxrss would count the process that started this one
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print(f"took {sum(u.ru_utime + u.ru_stime for u in used)} {peak[1]} {status}")
"""


def commands_on(sizes: Sequence[int]) -> list[Taken]:
    """`bd`, `report`, and `check` against a run 0.02 dB better, at each number of records."""
    found = []
    for records in sizes:
        with tempfile.TemporaryDirectory() as root:
            folder = results_of(Path(root) / "new", records, shift_db=0.02)
            other = results_of(Path(root) / "old", records)
            for words in (("bd",), ("report",), ("check", "--against", str(other))):
                found.append(_taken(records, words[0], str(folder), *words[1:]))
    return found


def _taken(records: int, *words: str) -> Taken:
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _CALL, *words], capture_output=True, text=True, check=True
    )
    wall = time.perf_counter() - start
    took = re.search(r"took ([\d.]+) (\d+) (\d)", done.stdout)
    assert took and int(took[3]) < 2, done.stderr
    return Taken(words[0], records, wall, float(took[1]), int(took[2]) / 1024)


def table(taken: Sequence[Taken]) -> list[str]:
    """As Markdown, with the growth over the size before."""
    lines = [
        "| command | records | seconds | CPU seconds | times the size before | peak, MiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    before: dict[str, Taken] = {}
    for one in sorted(taken, key=lambda each: each.command):
        last = before.get(one.command)
        growth = f"{one.cpu_seconds / last.cpu_seconds:.1f}" if last else ""
        lines.append(
            f"| {one.command} | {one.records:,} | {one.wall_seconds:.1f} | {one.cpu_seconds:.1f} "
            f"| {growth} | {one.peak_mebibytes:.0f} |"
        )
        before[one.command] = one
    return lines
