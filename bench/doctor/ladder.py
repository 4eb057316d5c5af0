"""Measures a codec at every point of its ladder on one photograph, as a run would, and looks at the
curve: what is wrong with single pictures is the business of the patterns."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from bench.cards import CodecCard
from bench.cards.suites import Suite
from bench.datasets.inputs import input_loader
from bench.doctor.patterns import Pixels
from bench.doctor.signatures import Fault
from bench.engine.attempt import measure_quietly
from bench.engine.campaign import Campaign
from bench.records import Record
from bench.results.run_info import Verdict

_METRIC = "psnr_rgb"
_SIDE = 192
_FRAMES = 4
_DROP_DB = 0.05
"""Falls of quality that are no mistake: encoders choose, and rounding is not even."""
_FAR = 0.1
_FAR_BITS = 512
"""Header and coder may add so many bits to an estimate, besides a tenth."""
_TIMEOUT = 600.0


def ladder_faults(card: CodecCard, *, device: str) -> list[Fault]:
    """What looks wrong with the codec's points, first those that fail."""
    pixels = photograph()
    with tempfile.TemporaryDirectory(prefix="bench-doctor-") as name:
        campaign = _campaign(card, pixels, Path(name))
        if campaign is None:
            return []
        records, verdicts = measure_quietly(campaign, device=device, timeout=_TIMEOUT)
    flat = pixels - pixels.mean((0, 1)).round()
    floor = float(10 * np.log10(255**2 / np.square(flat).mean()))
    return [*_failures(card, records), *_refuted(verdicts), *curve_faults(records, floor)]


def photograph() -> Pixels:
    """A piece of NASA's portrait of Eileen Collins, with skin, cloth and a flag."""
    from skimage import data

    picture: Pixels = data.astronaut()  # type: ignore[no-untyped-call]
    return picture[:_SIDE, 120 : 120 + _SIDE]


def _campaign(card: CodecCard, pixels: Pixels, folder: Path) -> Campaign | None:
    """One picture or, for codecs of clips alone, one that moves by two pixels a frame."""
    if "image" in card.media:
        Image.fromarray(pixels).save(folder / "photograph.png")
        media, loader = input_loader(folder / "photograph.png")
    elif "video" in card.media:
        for frame in range(_FRAMES):
            moved = np.roll(pixels, 2 * frame, axis=1)
            Image.fromarray(moved).save(folder / f"frame{frame}.png")
        media, loader = input_loader(folder, as_video=True)
    else:
        return None
    suite = Suite("doctor", "doctor", "doctor", (card.id,), (_METRIC,))
    return Campaign(suite, (card,), loader, media, "a photograph", extends=True)


def _failures(card: CodecCard, records: Iterable[Record]) -> Iterator[Fault]:
    for record in records:
        if record.status == "done" or record.reason is None:
            continue
        cure = "see the message; every point of the ladder must work"
        if "input" in card.settings or card.adapter.endswith(":CommandCodec"):
            given = card.settings.get("input", "png")
            cure = f"if the program does not read {given}, set input to another of png, ppm, y4m"
        yield Fault(f"{record.point} fails", record.reason, cure)


def _refuted(verdicts: Iterable[Verdict]) -> Iterator[Fault]:
    for verdict in verdicts:
        if not verdict.passed:
            yield Fault(
                "a decoder that needs more than the payload",
                f"{verdict.point}: {verdict.detail}",
                "put all that decode needs into the payload; keep nothing on the codec or on disk",
            )


def curve_faults(records: Sequence[Record], floor: float) -> Iterator[Fault]:
    """Faults of a curve; ``floor`` is the PSNR in dB of the picture's mean colour."""
    done = [record for record in records if _METRIC in record.scores]
    coded = sorted((r for r in done if r.bpp is not None), key=lambda record: record.bpp or 0.0)
    for low, high in pairwise(coded):
        if high.scores[_METRIC] < low.scores[_METRIC] - _DROP_DB:
            yield Fault(
                "quality falls where rate grows",
                f"{low.point}: {low.bpp:.4f} bpp, {low.scores[_METRIC]:.2f} dB; {high.point}: "
                f"{high.bpp:.4f} bpp, {high.scores[_METRIC]:.2f} dB",
                "drop points that are worse than others, or say which weights belong to which",
            )
            break
    for record in done:
        if record.scores[_METRIC] < floor:
            yield Fault(
                "worse than one colour",
                f"{record.point}: {record.scores[_METRIC]:.2f} dB; the mean colour alone gives "
                f"{floor:.2f} dB",
                "look at the picture (bench try): wrong weights, range 0–1 for 0–255, or channels",
            )
            break
    for record in coded:
        if record.bpp is None or record.bpp_estimated is None or record.width is None:
            continue
        pixels = record.width * (record.height or 1) * (record.frames or 1)
        bits, estimate = record.bpp * pixels, record.bpp_estimated * pixels
        if abs(bits - estimate) > _FAR * estimate + _FAR_BITS:
            yield Fault(
                "estimated and measured rate far apart",
                f"{record.point}: {estimate:.0f} bits estimated, {bits:.0f} in the stream",
                "update() the entropy models after loading, and code what forward estimates",
            )
            break
