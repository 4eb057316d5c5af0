"""The ``[training]`` table of a codec card as a frozen dataclass; reads cards only, trains nothing.

One card may train several networks: one per ladder point (``per = "point"``) and separately
trained parts (``[training.parts.prior]``). Each has a name, which is the stem of its weight file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from bench.cards import CodecCard
from bench.codecs.support.weights import MODEL, train_command
from bench.errors import CardError, UsageError, near_matches
from bench.records import Point

_STRUCTURE = ("per", "parts", "at", "tried")
PRECISIONS = ("auto", "float32", "bfloat16")
LAYOUTS = ("auto", "contiguous", "channels-last")
_CHOICES = {
    "optimiser": ("adam", "adamw"),
    "schedule": ("constant", "cosine", "step"),
    "precision": PRECISIONS,
    "layout": LAYOUTS,
    "weights": ("float16", "float32", "int8"),
}
_FREE_TO_CHANGE = ("steps", "weights", "precision", "layout", "batch", "gpu_batch")
"""What a continued training need not share with its checkpoint; so is the option ``crop``."""
_FREE_OPTIONS = ("crop",)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """How one network is trained. Fractions (``warmup``, ``decay_every``) are of the whole run.

    ``schedule``: cosine falls to ``final · learning_rate``; step multiplies by ``decay_factor``
    after every ``decay_every``. ``ema`` is the decay of averaged weights, which are then what is
    validated and exported. ``precision`` is that of the forward pass, ``layout`` that of kernels in
    memory: auto is the faster on this machine, measured when the training starts. ``weights`` is
    the precision of the exported file.
    ``gpu_batch`` takes the place of ``batch`` on a GPU. ``options`` belong to the task.
    """

    task: str
    steps: int
    batch: int
    learning_rate: float
    data: tuple[str, ...] = ()
    loss: str = "mse"
    optimiser: str = "adam"
    weight_decay: float = 0.0
    schedule: str = "cosine"
    warmup: float = 0.0
    final: float = 0.0
    decay_every: float = 0.25
    decay_factor: float = 0.5
    auxiliary_learning_rate: float = 1e-3
    clip: float | None = None
    ema: float | None = None
    precision: str = "float32"
    layout: str = "contiguous"
    seed: int = 0
    validate_every: int = 0
    weights: str = "float32"
    gpu_batch: int | None = None
    options: Mapping[str, object] = field(default_factory=dict)

    def comparable(self) -> dict[str, object]:
        """The settings that a continued training must share with its checkpoint."""
        options = {key: self.options[key] for key in self.options if key not in _FREE_OPTIONS}
        table = {**asdict(self), "options": options, "data": list(self.data)}
        return {key: table[key] for key in table if key not in _FREE_TO_CHANGE}


@dataclass(frozen=True, slots=True)
class Recipe:
    """One network to train: the card, its point or part, the name of the weights, the settings."""

    card: CodecCard
    name: str
    settings: TrainingSettings
    point: Point | None = None
    part: str | None = None
    tried: tuple[str, ...] = ()
    """What shorter trainings showed before this one, a sentence with its numbers for each."""

    @property
    def where(self) -> str:
        """The place of the settings, for messages."""
        return training_table(self.card)

    @property
    def codec(self) -> str:
        """The card's id without settings of the command line: the name of the weights' folder."""
        return self.card.path.stem

    @property
    def command(self) -> str:
        """The command line that trains this network."""
        return train_command(self.codec, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Settings that a command line may give in the place of the card's."""

    steps: int | None = None
    batch: int | None = None
    seed: int | None = None
    precision: str | None = None
    layout: str | None = None
    crop: int | None = None


def training_table(card: CodecCard) -> str:
    """The place of a card's recipes, for messages."""
    return f"{card.path.parent.name}/{card.path.name} [training]"


def read_recipe(
    card: CodecCard,
    *,
    point: Point | None = None,
    part: str | None = None,
    changes: Changes | None = None,
) -> Recipe:
    """The recipe of a card's network, with ``changes`` on top.

    Raises CardError for a bad table and UsageError for a point or part that the card lacks.
    """
    where = training_table(card)
    if not card.training:
        raise UsageError(f"codec {card.id} has no [training] table; it needs no training")
    table = {key: value for key, value in card.training.items() if key not in _STRUCTURE}
    name = MODEL
    if part is not None:
        parts = card.training.get("parts", {})
        if part not in parts:
            raise UsageError(f"codec {card.id} has no part {part!r}; {near_matches(part, parts)}")
        name = part
        table |= parts[part]
    elif card.training.get("per") == "point":
        point = _ladder_point(card, point)
        name = str(point)
        table |= card.training.get("at", {}).get(name, {})
    elif point is not None:
        raise UsageError(f"codec {card.id} is one network for all points; leave --point out")
    given = {key: value for key, value in asdict(changes or Changes()).items() if value is not None}
    options = dict(table.get("options", {}))
    for key in _FREE_OPTIONS:
        if key in given:
            if key not in options:
                raise UsageError(f"{where}: {name} has no option {key} to change")
            options[key] = given.pop(key)
    if options:
        table["options"] = options
    tried = card.training.get("tried", [])
    if not isinstance(tried, list) or not all(isinstance(each, str) for each in tried):
        raise CardError(f"{where}: tried is a list of sentences")
    return Recipe(card, name, _settings(where, table | given), point, part, tuple(tried))


def recipe_names(card: CodecCard) -> tuple[str, ...]:
    """The names of all networks of a card: the stems of its weight files."""
    parts = tuple(card.training.get("parts", {}))
    if card.training.get("per") == "point":
        return (*(str(point) for point in card.ladder), *parts)
    return (MODEL, *parts) if "task" in card.training else parts


def _ladder_point(card: CodecCard, point: Point | None) -> Point:
    known = [str(each) for each in card.ladder]
    if point is None:
        raise UsageError(
            f"codec {card.id} trains one network per point; give --point {' or '.join(known)}"
        )
    if point not in card.ladder:
        raise UsageError(f"codec {card.id} has no point {point}; {near_matches(str(point), known)}")
    return point


def _settings(where: str, table: dict[str, Any]) -> TrainingSettings:
    known = [each.name for each in fields(TrainingSettings)]
    for key in table:
        if key not in known:
            raise CardError(f"{where}: unknown key {key!r}; {near_matches(key, known)}")
    for key in ("task", "steps", "batch", "learning_rate"):
        if key not in table:
            raise CardError(f"{where}: {key} is missing; add it")
    for key, words in _CHOICES.items():
        if key in table and table[key] not in words:
            raise CardError(f"{where}: {key} {table[key]!r} is not one of {', '.join(words)}")
    for key in ("steps", "batch", "gpu_batch"):
        if key in table and (not isinstance(table[key], int) or table[key] < 1):
            raise CardError(f"{where}: {key} is {table[key]!r}; give a whole number above 0")
    settings = TrainingSettings(**{**table, "data": tuple(table.get("data", ()))})
    if settings.decay_every <= 0 or not 0 <= settings.warmup < 1:
        raise CardError(f"{where}: decay_every and warmup are fractions of the run")
    return settings
