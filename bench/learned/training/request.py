"""`bench train`: one network of one card, from its recipe to weights, model card and loss curve."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bench.cards import CodecCard
from bench.cards.codec_specs import parse_value
from bench.errors import CardError, Unavailable, UsageError
from bench.learned.training.settings import (
    Changes,
    Recipe,
    read_recipe,
    recipe_names,
)
from bench.records import Point
from bench.results.lock import lock_folder

if TYPE_CHECKING:
    import torch

    from bench.learned.training.loop import Trainer
    from bench.learned.training.task import TrainingContext, TrainingTask


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """Which network, how long and how; ``work`` holds checkpoints, ``weights`` the results."""

    point: str | None = None
    part: str | None = None
    steps: int | None = None
    budget: float | None = None
    minutes: float | None = None
    precision: str | None = None
    layout: str | None = None
    batch: int | None = None
    crop: int | None = None
    device: str = "cpu"
    threads: int | None = None
    data: Path | None = None
    work: Path | None = None
    weights: Path | None = None
    seed: int | None = None
    fresh: bool = False
    start: Path | None = None
    stop_after: int | None = None
    workers: int | None = None
    export: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A sentence on what was written and the figures, or on where the training stopped, and whether
    a signal stopped it."""

    sentence: str
    stopped: bool = False


def train(card: CodecCard, request: TrainRequest) -> str:
    """Trains and writes; the sentence of ``carry_out``."""
    return carry_out(card, request).sentence


def carry_out(card: CodecCard, request: TrainRequest) -> Outcome:
    """Trains and writes, or writes what a checkpoint holds. Raises UsageError for a request that
    makes no sense, StoreError where another training has the work folder."""
    from bench.learned.training.product import Circumstances, figures_of, write_product

    _check(request)
    trainer = make_trainer(card, request)
    if request.export:
        if not trainer.checkpoint.exists():
            raise UsageError(f"{trainer.checkpoint}: no checkpoint to export; train first")
        trainer.restore()
        trained = trainer.result(validate=True)
    else:
        lock = lock_folder(trainer.options.work, "another training", "--work")
        try:
            trained = trainer.run()
        finally:
            os.close(lock)
        if not trained.finished:
            cause = f" by {trained.stopped_by}" if trained.stopped_by else ""
            said = f"{trainer.title}: stopped{cause} at step {trained.steps}; run it again"
            return Outcome(said, stopped=bool(trained.stopped_by))
    how = Circumstances(trainer.options.device, request.budget, request.weights)
    path = write_product(trainer, trained, how)
    figures = figures_of(trained)
    return Outcome(f"{path}: {trained.steps} steps in {trained.seconds:.0f} s; {figures}")


_MOST = 1024
"""Threads and processes that a machine can be asked for."""
_RANGES: Mapping[str, tuple[float, float]] = {
    "threads": (1, _MOST), "workers": (0, _MOST), "seed": (0, 2**63 - 1), "steps": (1, 2**53),
    "stop_after": (1, 2**53), "batch": (1, 2**31), "crop": (1, 2**20),
}  # fmt: skip


def _check(request: TrainRequest) -> None:
    """Refuses by name what is out of range."""
    for name, (least, most) in _RANGES.items():
        value = getattr(request, name)
        if value is not None and not least <= value <= most:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} {value}: give a whole number from {least} to {most}")
    for name, minutes in (("minutes", request.minutes), ("budget", request.budget)):
        if minutes is not None and not 0 < minutes < math.inf:
            raise UsageError(f"--{name} {minutes}: give a number of minutes above 0")
    if request.export and request.fresh:
        raise UsageError("--export writes what the checkpoint holds, which --fresh passes over; "
                         "leave one of them out")  # fmt: skip


def make_trainer(card: CodecCard, request: TrainRequest) -> Trainer[object]:
    """The training of one network of a card, built but not begun."""
    import torch

    from bench.learned.training.feed import default_workers
    from bench.learned.training.lineage import Lineage, lineage_of
    from bench.learned.training.loop import LoopOptions, Trainer
    from bench.learned.training.task import TrainingContext

    if request.threads is not None:
        torch.set_num_threads(request.threads)
    device = _device(request.device)
    recipe = _recipe(card, request)
    if recipe.part is not None and request.weights is not None:
        _check_followed(recipe, request.weights)
    torch.manual_seed(recipe.settings.seed)
    work = request.work or cache_folder() / recipe.codec / recipe.name
    task = task_class(recipe)(TrainingContext(recipe, device, request.data, work.parent))
    if request.start is not None:
        from bench.codecs.support.weights import read_tensors

        task.load(read_tensors(request.start))
    workers = default_workers(device) if request.workers is None else request.workers
    options = LoopOptions(
        work,
        device,
        budget=request.budget,
        minutes=request.minutes,
        fresh=request.fresh,
        stop_after=request.stop_after,
        lineage=lineage_of(request.start) if request.start else Lineage(),
        workers=workers,
    )
    return Trainer(recipe, task, options)


def task_class(recipe: Recipe) -> Callable[[TrainingContext], TrainingTask[object]]:
    """The task that a recipe names, imported now."""
    module, _, attribute = recipe.settings.task.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
        return cast("Callable[[TrainingContext], TrainingTask[object]]", found)
    except (ImportError, AttributeError) as error:
        raise CardError(
            f"{recipe.card.path.name} [training]: task {recipe.settings.task!r} cannot be "
            f"imported: {error}"
        ) from error


def _recipe(card: CodecCard, request: TrainRequest) -> Recipe:
    point = None
    if request.point is not None:
        key, equals, word = request.point.partition("=")
        if not equals:
            raise UsageError(
                f"--point {request.point!r} is not key=value; networks of {card.id}: "
                f"{', '.join(recipe_names(card))}"
            )
        point = Point(key, parse_value(word))
    changes = Changes(
        steps=request.steps,
        seed=request.seed,
        precision=request.precision,
        layout=request.layout,
        batch=request.batch,
        crop=request.crop,
    )
    recipe = read_recipe(card, point=point, part=request.part, changes=changes)
    settings = recipe.settings
    if request.batch is None and settings.gpu_batch and request.device.startswith("cuda"):
        return replace(recipe, settings=replace(settings, batch=settings.gpu_batch))
    return recipe


def _check_followed(recipe: Recipe, folder: Path) -> None:
    """A part learns from the networks in the card's folder: refuses to leave it beside others, of
    whose output it knows nothing."""
    from bench.codecs.support.weights import weights_path

    parts = recipe.card.training.get("parts", {})
    for beside in sorted(folder.glob("*.safetensors")):
        followed = weights_path(recipe.card, beside.stem)
        if beside.stem in parts or not followed.is_file():
            continue
        if beside.read_bytes() != followed.read_bytes():
            raise UsageError(
                f"part {recipe.part} of {recipe.codec} learns from {followed}, and --weights "
                f"{folder} holds another {beside.name}; copy that one there first"
            )


def _device(name: str) -> torch.device:
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name!r}: {error}") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise Unavailable("--device cuda: torch sees no GPU; use --device cpu")
        # every step has the same sizes: the fastest convolutions are worth a search
        torch.backends.cudnn.benchmark = True
    return device


def cache_folder() -> Path:
    """Where checkpoints lie that no folder was named for."""
    import pooch

    return Path(pooch.os_cache("bench-rd")) / "training"
