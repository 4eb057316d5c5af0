"""What a campaign of trainings did and does: its state as JSON, its log of loss against minutes as
CSV and PNG. Knows slices of time, and which network gains most by one; trains nothing."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.errors import UsageError

STATE, LOG = "campaign.json", "log.csv"
# 1: first version
_FORMAT = 1
_SHARE = 0.2
"""Of a slice's rows, those at its start and at its end of which the mean is taken."""
_COLUMNS = ("minutes", "network", "network_minutes", "step", "loss")


@dataclass(frozen=True, slots=True)
class Sample:
    """A row of a network's loss curve; ``minutes`` are those that it was trained."""

    minutes: float
    step: int
    loss: float


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of time of a network.

    ``began`` are the minutes of the whole campaign before it, ``base`` those of the networks
    that this one follows. ``curve`` is never empty.
    """

    network: str
    began: float
    minutes: float
    base: float
    curve: tuple[Sample, ...]
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def first(self) -> float:
        """The mean loss at the start."""
        return _mean(self.curve[: self._few])

    @property
    def last(self) -> float:
        """The mean loss at the end."""
        return _mean(self.curve[-self._few :])

    @property
    def _few(self) -> int:
        return max(1, round(_SHARE * len(self.curve)))


@dataclass(slots=True)
class Journal:
    """The state of a campaign in ``folder``. ``until`` are the minutes of training at which the
    slice under way of a network ends; it outlives a kill."""

    folder: Path
    slices: list[Slice] = field(default_factory=list)
    until: dict[str, float] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, *, fresh: bool = False) -> Journal:
        """Of a folder, empty where there is none or if it is to be ``fresh``."""
        path = folder / STATE
        if fresh or not path.exists():
            return cls(folder)
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            if table["format"] != _FORMAT:
                raise ValueError(f"format {table['format']}, not {_FORMAT}")
            slices = [_slice(each) for each in table["slices"]]
            return cls(folder, slices, dict(table["until"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path}: not the state of a campaign ({error}); delete it or give --fresh"
            ) from error

    def of(self, network: str) -> list[Slice]:
        """The slices of a network, in order."""
        return [each for each in self.slices if each.network == network]

    def minutes(self, networks: Sequence[str] | None = None) -> float:
        """Minutes of training so far, of some networks or of all."""
        return sum(
            each.minutes for each in self.slices if networks is None or each.network in networks
        )

    def open_slice(self, network: str, until: float) -> None:
        """A slice begins, or goes on, and ends when the network was trained ``until`` minutes."""
        self.until = {network: until}
        self._save()

    def close_slice(self, done: Slice) -> None:
        """A slice has ended."""
        self.slices.append(done)
        self.until = {}
        self._save()
        self._write_log()

    def gain(self, network: str, base: float) -> float:
        """The relative fall of a network's loss for each minute of its last slice.

        Infinite for one that was not trained yet, or not since what it follows was, which had
        ``base`` minutes.
        """
        slices = self.of(network)
        if not slices or slices[-1].base != base:
            return math.inf
        last = slices[-1]
        before = slices[-2].last if len(slices) > 1 else last.first
        return (before - last.last) / abs(before) / last.minutes if before else 0.0

    def _save(self) -> None:
        slices = [asdict(each) for each in self.slices]
        table = {"format": _FORMAT, "until": self.until, "slices": slices}
        _replace(self.folder / STATE, json.dumps(table, indent=1) + "\n")

    def _write_log(self) -> None:
        """One row a sample, and a plot of each network's loss as a share of its first."""
        partial = self.folder / f"{LOG}.new"
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            for piece in self.slices:
                start = self._age_before(piece)
                for each in piece.curve:
                    minutes = piece.began + each.minutes - start
                    writer.writerow(
                        (
                            f"{minutes:.2f}",
                            piece.network,
                            f"{each.minutes:.2f}",
                            each.step,
                            f"{each.loss:.6g}",
                        )
                    )
        partial.replace(self.folder / LOG)
        _plot(self.folder / "log.png", self.slices)

    def _age_before(self, piece: Slice) -> float:
        """Minutes that the network of a slice had been trained before it."""
        earlier = self.slices[: self.slices.index(piece)]
        return sum(each.minutes for each in earlier if each.network == piece.network)


def _plot(path: Path, slices: Sequence[Slice]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 4.5))
    for network in dict.fromkeys(each.network for each in slices):
        curve = [sample for each in slices if each.network == network for sample in each.curve]
        first = curve[0].loss
        shares = [sample.loss / first if first else math.nan for sample in curve]
        axis.plot([sample.minutes for sample in curve], shares, linewidth=1, label=network)
    axis.set(xlabel="minutes of the network", ylabel="loss / first loss")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _slice(table: Mapping[str, object]) -> Slice:
    curve = table["curve"]
    if not isinstance(curve, list) or not curve:
        raise ValueError("a slice without samples")
    fields = {key: value for key, value in table.items() if key != "curve"}
    return Slice(curve=tuple(Sample(**each) for each in curve), **fields)  # type: ignore[arg-type]


def _mean(samples: Sequence[Sample]) -> float:
    return sum(each.loss for each in samples) / len(samples)


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.new")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
