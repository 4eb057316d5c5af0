"""`bench train`: one network of one card, from its recipe to weights, model card and loss curve.

Also the arguments of the command line; printing and exit status are the caller's.
"""

from __future__ import annotations

import argparse
import importlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cards import CodecCard
from bench.errors import CardError, Unavailable, UsageError
from bench.records import Point
from bench.training.settings import PRECISIONS, Recipe, read_recipe, recipe_names
from bench.words import parse_value

if TYPE_CHECKING:
    from bench.training.loop import Trained


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """What the command line asks for; ``work`` holds checkpoints, ``weights`` the results."""

    point: str | None = None
    part: str | None = None
    steps: int | None = None
    budget: float | None = None
    minutes: float | None = None
    precision: str | None = None
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``bench train``, each named as the field of TrainRequest that it fills."""
    parser.add_argument("name", help="codec id whose card has a [training] table")
    parser.add_argument("--point", help="key=value of the ladder, where each point has a network")
    parser.add_argument("--part", help="a separately trained part, such as a prior")
    parser.add_argument("--steps", type=int, help="instead of the card's")
    parser.add_argument("--budget", type=float, help="minutes in which the schedule is finished")
    parser.add_argument("--minutes", type=float, help="stop after this time, to be continued")
    parser.add_argument("--precision", choices=PRECISIONS, help="instead of the card's")
    parser.add_argument("--batch", type=int, help="items of a step, instead of the card's")
    parser.add_argument("--crop", type=int, help="side of training crops, where the card has one")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--data", type=Path, help="data folder, instead of $BENCH_DATA")
    parser.add_argument("--work", type=Path, help="folder of checkpoints, instead of the cache")
    parser.add_argument("--weights", type=Path, help="folder of the results")
    parser.add_argument("--seed", type=int, help="instead of the card's")
    parser.add_argument("--fresh", action="store_true", help="ignore an existing checkpoint")
    parser.add_argument("--start", type=Path, help="start from these weights (.safetensors)")
    parser.add_argument("--stop-after", type=int, help="stop at this step, to be continued")


def request_of(args: argparse.Namespace) -> TrainRequest:
    """The request of parsed arguments."""
    return TrainRequest(**{key: getattr(args, key) for key in TrainRequest.__dataclass_fields__})


def train(card: CodecCard, request: TrainRequest) -> str:
    """Trains and writes; the sentence it returns says what was written and the figures."""
    import torch

    from bench.training.loop import LoopOptions, Trainer
    from bench.training.task import TrainingContext

    if request.threads is not None:
        torch.set_num_threads(request.threads)
    device = _device(request.device)
    recipe = _recipe(card, request)
    torch.manual_seed(recipe.settings.seed)
    work = request.work or _cache() / "training" / recipe.codec / recipe.name
    task = task_class(recipe)(TrainingContext(recipe, device, request.data, work.parent))
    if request.start is not None:
        from bench.weights import read_tensors

        task.load(read_tensors(request.start))
    options = LoopOptions(
        work,
        device,
        budget=request.budget,
        minutes=request.minutes,
        fresh=request.fresh,
        stop_after=request.stop_after,
        start=request.start.name if request.start else "",
    )
    trainer = Trainer(recipe, task, options)
    trained = trainer.run()
    if not trained.finished:
        return f"{recipe.codec}/{recipe.name}: stopped at step {trained.steps}; run it again"
    path = _write(recipe, request, trained, trainer.export(), task.data_digest())
    figures = ", ".join(f"{key} {value:.5g}" for key, value in trained.figures.items())
    return f"{path}: {trained.steps} steps in {trained.seconds:.0f} s; {figures or 'no validation'}"


def task_class(recipe: Recipe) -> Any:
    """The task that a recipe names, imported now."""
    module, _, attribute = recipe.settings.task.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
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
    return read_recipe(
        card,
        point=point,
        part=request.part,
        steps=request.steps,
        seed=request.seed,
        precision=request.precision,
        batch=request.batch,
        crop=request.crop,
    )


def _device(name: str) -> Any:
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name!r}: {error}") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise Unavailable("--device cuda: torch sees no GPU; use --device cpu")
    return device


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("bench-rd"))


def _write(
    recipe: Recipe, request: TrainRequest, trained: Trained, tensors: Mapping[str, Any], data: str
) -> Path:
    import torch

    from bench.training.curve import write_curve
    from bench.weights import save_model_card, save_weights, weights_path

    settings = recipe.settings
    folder = request.weights or weights_path(recipe.card).parent
    path = save_weights(folder, recipe.codec, recipe.name, tensors, precision=settings.weights)
    device = request.device
    if device.startswith("cuda"):
        device = f"{device} ({torch.cuda.get_device_name(device)})"
    save_model_card(
        path,
        {
            "codec": recipe.codec,
            "name": recipe.name,
            "title": recipe.card.title,
            "command": recipe.command,
            "data": list(settings.data),
            "data_sha256": data,
            "settings": settings.comparable()
            | {key: getattr(settings, key) for key in ("steps", "weights", "batch")}
            | {"options": dict(settings.options), "precision": trained.precision},
            "steps": trained.steps,
            "seconds": round(trained.seconds, 1),
            "budget_minutes": request.budget,
            "started_from": trained.start or None,
            "device": device,
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
            "torch": torch.__version__,
            "parameters": sum(each.numel() for each in tensors.values()),
            "validation": {key: float(f"{value:.6g}") for key, value in trained.figures.items()},
        },
    )
    write_curve(path.with_name(f"{recipe.name}.loss.csv"), trained.rows)
    return path
