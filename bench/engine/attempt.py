"""One codec on one picture at one point, from measurement to verdict, leaving no folder behind."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.codecs.build import build_codec
from bench.codecs.support.frame_progress import Coding
from bench.engine.campaign import Campaign
from bench.engine.run import RunOptions, run
from bench.engine.run_log import Silence
from bench.engine.saved_clip import suffix_of, write_clip
from bench.errors import UsageError
from bench.metrics.evaluate import rounded
from bench.records import Record
from bench.results.kept_streams import KeptStreams
from bench.results.run_folder import RunFolder
from bench.results.run_info import Verdict
from bench.results.store import Store

Hear = Callable[[Sequence[Coding]], None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one measurement came to. ``saved`` are the files of the reconstruction, of a clip all
    its frames and a picture of the middle one; ``verdict`` is that of a fresh process."""

    record: Record
    verdict: Verdict | None
    saved: tuple[Path, ...] = ()

    @property
    def exit_status(self) -> int:
        sound = self.record.status == "done" and (self.verdict is None or self.verdict.passed)
        return 0 if sound else 1


def measure_quietly(
    campaign: Campaign, *, device: str, timeout: float
) -> tuple[list[Record], tuple[Verdict, ...]]:
    """Records and verdicts of a campaign, measured by one worker in a folder that does not stay."""
    with tempfile.TemporaryDirectory(prefix="bench-try-") as name:
        options = RunOptions(out=Path(name), jobs=1, timeout=timeout, device=device)
        _run_through(campaign, options)
        with Store(Path(name)) as store:
            return list(store.records()), store.verdicts()


@dataclass(frozen=True, slots=True)
class _Frames(Silence):
    """Reports nothing but how far a clip is."""

    hear: Hear | None = None

    def working(self, codings: Sequence[Coding]) -> None:
        if self.hear is not None:
            self.hear(codings)


def _run_through(campaign: Campaign, options: RunOptions, hear: Hear | None = None) -> None:
    """Runs a campaign; one that is stopped has nothing to show."""
    if run(campaign, options, _Frames(hear)).interrupted:
        raise KeyboardInterrupt


def attempt(
    campaign: Campaign,
    save: Path,
    *,
    device: str,
    timeout: float | None,
    working: Hear | None = None,
) -> Attempt:
    """Measures the first item of a campaign with its one codec, at the middle of its ladder where
    that has several points, in at most ``timeout`` seconds, else those of a run; ``save`` is the
    folder or file of the reconstruction, ``working`` hears how far a clip is. Raises UsageError for
    a campaign of several codecs."""
    if len(campaign.codecs) != 1:
        raise UsageError("try takes one codec; `bench run` takes several")
    (card,) = campaign.codecs
    point = card.ladder[len(card.ladder) // 2]
    one = replace(campaign, codecs=(replace(card, ladder=(point,)),))
    with tempfile.TemporaryDirectory(prefix="bench-try-") as name:
        folder = Path(name)
        suite = campaign.suite
        options = RunOptions(
            out=folder,
            jobs=1,
            timeout=timeout or suite.timeout,
            timeout_frames=None if timeout else suite.timeout_frames,
            device=device,
            keep=1,
        )
        _run_through(one, options, working)
        with RunFolder(folder) as left:
            record = next(left.store.records())
            verdict = next(iter(left.store.verdicts()), None)
        return Attempt(record, verdict, _saved(one, record, left.kept, save, device))


def _saved(
    campaign: Campaign, record: Record, kept: KeptStreams, save: Path, device: str
) -> tuple[Path, ...]:
    """The reconstruction in the user's folder or file."""
    stem = f"{Path(record.item).stem}.{record.codec.replace(':', '-')}.{record.point}"
    place, saved = save / f"{stem}.png" if save.is_dir() else save, []
    try:
        if picture := kept.reconstruction(record.codec, record.point, record.item):
            saved.append(place.with_name(f"{place.stem}.png") if record.frames != 1 else place)
            shutil.copyfile(picture, saved[0])
        stream = kept.stream(record.codec, record.point, record.item)
        layout = next(item.layout for item in campaign.loader.items() if item.name == record.item)
        if stream and layout and layout.frames > 1 and (suffix := suffix_of(layout)):
            place = place.with_name(f"{stem if save.is_dir() else place.stem}{suffix}")
            codec = build_codec(campaign.codecs[0], device=device)
            depth = codec.compared_depth() or layout.depth
            write_clip(place, rounded(codec.decode(stream.read_bytes()), depth), layout)
            saved.append(place)
    except OSError as error:
        raise UsageError(
            f"--save {place}: cannot be written: {error.strerror}; give another path"
        ) from error
    return tuple(saved)
