"""Synthetic results folders for the tests of analysis and reports: invented curves, no codec."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from bench.analysis.qualities import Quality
from bench.cards.suites import Suite
from bench.figures.style import Style
from bench.records import Record, columns_of
from bench.report.content import Content
from bench.report.plots import curve_plot
from bench.results.run_info import CodecInfo, RunInfo, Verdict
from bench.results.table import FILE, cells
from bench.results.table import write_records as write_table

WIDTH, HEIGHT = 96, 64


def codec_info(name: str, points: Sequence[str], *, lossless: bool = False) -> CodecInfo:
    return CodecInfo(
        id=name,
        title=f"Title of {name}",
        settings={"preset": "veryslow", "colour": "4:4:4"},
        ladder=tuple(points),
        deterministic=True,
        lossless=lossless,
        versions={"lib": "1.0"},
        source={"reference": "invented"},
        complexity={"decoder_kmac_per_pixel": 10.0 + len(name), "parameters": 1e6},
    )


def run_info(codecs: Sequence[CodecInfo], *, items: int, anchor: str | None) -> RunInfo:
    return RunInfo(
        bench="0.0",
        suite="made",
        suite_title="Made-up suite",
        dataset="made",
        dataset_title="Made-up pictures",
        media="image",
        dataset_notes=(f"{items} pictures, invented",),
        dataset_digest="d" * 64,
        items=items,
        metrics=("psnr_rgb", "ssim", "ms_ssim"),
        anchor=anchor,
        codecs=tuple(codecs),
        command=("bench", "run", "--suite", "made"),
        machine={"cpu": "invented", "cores": "2"},
        libraries={"numpy": "1.26.4"},
        jobs=2,
        timing="Times were taken with 2 tasks in parallel and are not ranked.",
        started="2024-01-01T00:00:00Z",
        finished="2024-01-01T00:01:00Z",
        verdicts=(Verdict("fresh_decode", codecs[0].id, codecs[0].ladder[0], "item0", True),),
    )


def suite(**fields: Any) -> Suite:
    """The suite of these folders, with what a page needs of its card."""
    return Suite("made", "made", "Made-up suite", (), ("psnr_rgb",), **fields)


def record(codec: str, point: str, item: str, bpp: float, psnr: float, **other: object) -> Record:
    """A finished record; bytes follow from bpp, ssim and ms_ssim rise with psnr."""
    size = round(bpp * WIDTH * HEIGHT / 8)
    fields = {
        "width": WIDTH, "height": HEIGHT, "frames": 1, "channels": 3, "bytes": size,
        "header_bytes": min(20, size), "discarded_bytes": 5, "bpp": bpp,
        "encode_seconds": 0.02, "decode_seconds": 0.01, "parallel": 2, "fingerprint": "f",
    } | other  # fmt: skip
    scores: dict[str, object] = {
        "mse": 255.0**2 / 10 ** (psnr / 10), "psnr_rgb": psnr,
        "ssim": 1 - 10 ** (-psnr / 25), "ms_ssim": 1 - 10 ** (-psnr / 20),
    }  # fmt: skip
    own = {one.name for one in dataclasses.fields(Record)}
    scores |= {name: value for name, value in fields.items() if name not in own}
    fields = {name: value for name, value in fields.items() if name in own}
    fields["scores"] = {name: value for name, value in scores.items() if value is not None}
    bare = Record(suite="made", dataset="made", item=item, codec=codec, point=point, status="done")
    return replace(bare, **fields)


def curve_records(
    codec: str,
    rate_factor: float,
    *,
    items: int = 6,
    points: int = 5,
    noise: float = 0.0,
    seed: int = 0,
) -> list[Record]:
    """A log-linear curve 6 dB per bit of log2 rate, each item shifted; ``rate_factor`` scales
    its rates, so that the BD-rate between two such codecs is their ratio."""
    generator = np.random.default_rng(seed)
    records = []
    for index in range(points):
        for item in range(items):
            bpp = rate_factor * 0.25 * 2.0**index * (1 + 0.1 * item)
            psnr = 28.0 + 3.0 * index + 0.5 * item + noise * generator.standard_normal()
            records.append(record(codec, f"q={index + 1}", f"item{item}", bpp, psnr))
    return records


def write_records(folder: Path, records: Sequence[Record]) -> None:
    columns = columns_of(name for row in records for name in (*row.scores, *row.frame_scores))
    write_table(folder / FILE, (cells(row, columns) for row in records), columns)


def results_folder(
    folder: Path,
    records: Sequence[Record],
    *,
    anchor: str | None = "good",
    items: int | None = None,
    change: Callable[[RunInfo], RunInfo] = lambda run: run,
) -> Path:
    """A results folder with these records and the run.json that fits them."""
    folder.mkdir(parents=True, exist_ok=True)
    ladders: dict[str, list[str]] = {}
    for row in records:
        points = ladders.setdefault(row.codec, [])
        if row.point not in points:
            points.append(row.point)
    infos = [codec_info(name, points) for name, points in ladders.items()]
    count = items or len({row.item for row in records})
    change(run_info(infos, items=count, anchor=anchor)).write(folder)
    write_records(folder, records)
    return folder


def plain_folder(folder: Path) -> Path:
    """Codecs ``good``, ``dear`` (+50 % rate), ``cheap`` (−20 %) and a lossless one."""
    records = [
        *curve_records("good", 1.0),
        *curve_records("dear", 1.5),
        *curve_records("cheap", 0.8),
        *(
            record("exact", "mode=only", f"item{i}", 12.0, float("inf"), mse=0.0, ssim=1.0,
                   ms_ssim=1.0, lossless=True)
            for i in range(6)
        ),
    ]  # fmt: skip
    return results_folder(folder, records)


def keep_pictures(folder: Path, items: Sequence[str] = ("item0",)) -> None:
    """Items with two codecs at three rates: red and blue stand for their reconstructions."""
    entries = []
    for place, item in enumerate(items):
        kept, size = folder / "kept" / item, (48, 32 + 8 * place)
        kept.mkdir(parents=True)
        Image.new("RGB", size, (120, 120, 120)).save(kept / "original.png")
        for codec, colour in (("good", (200, 0, 0)), ("dear", (0, 0, 200))):
            for index, bpp in enumerate((0.25, 0.5, 1.0)):
                name = f"{item}/{codec}{index}.png"
                Image.new("RGB", size, colour).save(kept.parent / name)
                entries.append({
                    "item": item, "codec": codec, "point": f"q={index + 1}", "bpp": bpp,
                    "psnr_rgb": None if index == 2 else 30.0 + index,
                    "original": f"{item}/original.png", "reconstruction": name,
                })  # fmt: skip
    (folder / "kept" / "index.json").write_text(json.dumps(entries))


def draw_curves(content: Content, axis: Quality, style: Style) -> Figure:
    """The RD figure of one axis."""
    from bench.figures.draw import draw_lines

    plot = curve_plot(content, axis)
    assert plot is not None, f"no point on {axis.id}"
    return draw_lines(plot, style)
