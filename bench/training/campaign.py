"""`bench train --all`: many networks in turn, each slice of time to the one that gains most by it.

A network's loss is compared at the ends of its slices, each of which has a schedule of its own,
from a warm-up to a learning rate of zero (warm restarts, Loshchilov & Hutter 2017), and doubles its
age: so whatever slice is the last, its weights are finished ones. What learns from the output of
other networks, such as a prior, comes after them.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cards import CodecCard
from bench.errors import BenchError, UsageError
from bench.training.command import TrainRequest, cache_folder, make_trainer
from bench.training.journal import LOG, Journal, Sample, Slice
from bench.training.loop import CHECKPOINT, Trainer
from bench.training.product import Circumstances, figures_of, write_product
from bench.weights import MODEL, weights_path

SLICE = 10.0
"""Minutes of a network's first slice."""
_LAST_STAGE = 1 / 3
"""Share of a command's time that is left for networks that follow others."""
_LEAST = 0.2
"""A rest of the time shorter than this share of a first slice is left."""


@dataclass(frozen=True, slots=True)
class Network:
    """One network of a card. ``follows`` are the networks whose output it learns from."""

    card: CodecCard
    name: str
    point: str | None = None
    part: str | None = None
    follows: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Codec and network."""
        return f"{self.card.path.stem}/{self.name}"


def networks_of(card: CodecCard) -> list[Network]:
    """All networks of a card, those that the others follow first."""
    own = []
    if card.training.get("per") == "point":
        own = [Network(card, str(point), point=str(point)) for point in card.ladder]
    elif "task" in card.training:
        own = [Network(card, MODEL)]
    titles = tuple(each.title for each in own)
    parts = card.training.get("parts", {})
    return own + [Network(card, part, part=part, follows=titles) for part in parts]


def choose(networks: Sequence[Network], journal: Journal, *, late: bool) -> Network:
    """The network that gains most by the next slice, the first of equals; a network that follows
    others only if it is ``late`` or there are no others, and then no other one."""
    following = [each for each in networks if each.follows]
    leading = [each for each in networks if not each.follows]
    candidates = following if following and (late or not leading) else leading
    return max(candidates, key=lambda each: journal.gain(each.title, _base(each, journal)))


class Campaign:
    """Trains networks in a folder for some minutes, from where the folder stands.

    The folder holds a copy of the cards' weights, from which training starts and in which its
    results lie (``codecs/weights``), a checkpoint a network, and the journal. What a network lacks
    (data, weights that it follows) is said, and the others go on.
    """

    def __init__(
        self, cards: Iterable[CodecCard], request: TrainRequest, *, slice_minutes: float = SLICE
    ) -> None:
        if request.minutes is None:
            raise UsageError("give --minutes: how long to train in all; the same command continues")
        self.request, self.minutes = request, request.minutes
        self.slice_minutes = min(slice_minutes, self.minutes)
        self.folder = request.work or cache_folder() / "campaign"
        moved = [_moved(card, self.folder / "codecs") for card in cards]
        self.networks = [each for card in moved for each in networks_of(card)]
        self.journal = Journal.open(self.folder, fresh=request.fresh)
        self.failed: dict[str, str] = {}
        self.stopped_by = ""
        self._begun: set[str] = set()
        self._start = time.monotonic()

    def run(self) -> str:
        """Trains until the time is over or a signal comes; the sentence says what was done."""
        before = len(self.journal.slices)
        while not self.stopped_by and self._left() > _LEAST * self.slice_minutes:
            left = [each for each in self.networks if each.title not in self.failed]
            if not left:
                raise UsageError(f"no network can be trained; {next(iter(self.failed.values()))}")
            late = self._left() - self._reserve(left) <= _LEAST * self.slice_minutes
            network = self._cut_off(left) or choose(left, self.journal, late=late)
            try:
                self._slice(network, 0.0 if late or network.follows else self._reserve(left))
            except BenchError as error:
                self.failed[network.title] = str(error)
                _say(f"{network.title}: not trained: {error}")
        return self._summary(self.journal.slices[before:])

    def _left(self) -> float:
        """Minutes."""
        return self.minutes - (time.monotonic() - self._start) / 60

    def _reserve(self, networks: Sequence[Network]) -> float:
        """Minutes that belong to networks that follow others."""
        kinds = {bool(each.follows) for each in networks}
        return _LAST_STAGE * self.minutes if len(kinds) > 1 else 0.0

    def _cut_off(self, networks: Sequence[Network]) -> Network | None:
        """The network whose slice a kill or the end of a command cut off."""
        return next((each for each in networks if each.title in self.journal.until), None)

    def _slice(self, network: Network, reserve: float) -> None:
        journal, title = self.journal, network.title
        age = journal.minutes([title])
        trainer = self._trainer(network)
        left = self._left()
        length = min(max(self.slice_minutes, age), left - reserve)
        until = journal.until.get(title, age + length)
        trainer.options = replace(trainer.options, budget=until, minutes=left)
        journal.open_slice(title, until)
        trained = trainer.run()
        self.stopped_by = trained.stopped_by
        if not trained.finished:
            return
        done = Slice(
            network=title,
            began=journal.minutes(),
            minutes=trained.seconds / 60 - age,
            base=_base(network, journal),
            curve=tuple(
                Sample(row["seconds"] / 60, int(row["step"]), row["loss"])
                for row in trained.rows
                if row["seconds"] > 60 * age
            ),
            figures=dict(trained.figures),
        )
        path = write_product(trainer, trained, Circumstances(trainer.options.device, until))
        journal.close_slice(done)
        _say(
            f"{title}: {done.minutes:.1f} min, loss {done.first:.5g} → {done.last:.5g}; "
            f"{figures_of(trained)}; {path}"
        )

    def _trainer(self, network: Network) -> Trainer[object]:
        """Goes on from the checkpoint, else starts from weights that fit, else from nothing."""
        fresh = self.request.fresh and network.title not in self._begun
        self._begun.add(network.title)
        work = self.folder / network.card.path.stem / network.name
        request = replace(
            self.request, point=network.point, part=network.part, work=work, fresh=fresh
        )
        weights = weights_path(network.card, network.name)
        if fresh or (work / CHECKPOINT).exists() or not weights.exists():
            return make_trainer(network.card, request)
        try:
            return make_trainer(network.card, replace(request, start=weights))
        except UsageError as error:
            _say(f"{network.title}: starts from nothing: {error}")
            return make_trainer(network.card, request)

    def _summary(self, slices: Sequence[Slice]) -> str:
        cause = f", stopped by {self.stopped_by}" if self.stopped_by else ""
        trained = len({each.network for each in slices})
        return (
            f"{len(slices)} slices of {trained} networks in {self.minutes - self._left():.1f} "
            f"minutes{cause}; {len(self.failed)} could not be trained; log in "
            f"{self.folder / LOG}, weights in {self.folder / 'codecs' / 'weights'}"
        )


def _base(network: Network, journal: Journal) -> float:
    return journal.minutes(network.follows)


def _moved(card: CodecCard, folder: Path) -> CodecCard:
    """The card as if it lay in ``folder``, its weights and their model cards copied there if they
    are not yet."""
    moved = replace(card, path=folder / card.path.name)
    for source in sorted(weights_path(card).parent.glob("*.safetensors")):
        target = weights_path(moved, source.stem)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            if (told := source.with_suffix(".json")).is_file():
                shutil.copyfile(told, target.with_suffix(".json"))
            partial = target.with_suffix(".partial")
            shutil.copyfile(source, partial)
            partial.replace(target)
    return moved


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
