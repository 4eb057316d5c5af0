"""What a training leaves for others: weights, their model card, and the loss curve."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bench.codecs.support.weights import save_model_card, save_weights, weights_path
from bench.learned.training.curve import write_curve
from bench.learned.training.loop import Trained, Trainer
from bench.learned.training.settings import Recipe
from bench.learned.training.task import Batch


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the model card says beside recipe and result; ``minutes`` is the budget, if any."""

    device: torch.device
    minutes: float | None = None
    folder: Path | None = None
    """Of the files; without it the card's."""


def write_product(trainer: Trainer[Batch], trained: Trained, how: Circumstances) -> Path:
    """Writes the weights as they are now, averaged where the card says so, and what belongs to
    them; returns the path of the weights."""
    recipe = trainer.recipe
    folder = how.folder or weights_path(recipe.card).parent
    tensors = trainer.export()
    path = save_weights(
        folder, recipe.codec, recipe.name, tensors, precision=recipe.settings.weights
    )
    save_model_card(path, _facts(recipe, trained, how, tensors, trainer.task.data_digest()))
    write_curve(path.with_name(f"{recipe.name}.loss.csv"), trained.rows)
    return path


def figures_of(trained: Trained) -> str:
    """The validation figures as words."""
    figures = ", ".join(f"{key} {value:.5g}" for key, value in trained.figures.items())
    return figures or "no validation"


def _facts(
    recipe: Recipe, trained: Trained, how: Circumstances, tensors: Mapping[str, Tensor], data: str
) -> dict[str, object]:
    settings = recipe.settings
    used = settings.comparable() | {
        "steps": settings.steps,
        "weights": settings.weights,
        "batch": settings.batch,
        "options": dict(settings.options),
        "precision": trained.precision,
        "layout": trained.layout,
    }
    return {
        "codec": recipe.codec,
        "name": recipe.name,
        "title": recipe.card.title,
        "command": recipe.command,
        "data": list(settings.data),
        "data_sha256": data,
        "settings": used,
        "tried": list(recipe.tried),
        "steps": trained.steps,
        "seconds": round(trained.seconds, 1),
        "budget_minutes": how.minutes,
        "schedule_finished": trained.finished,
        **trained.lineage.facts(),
        "device": _device(how.device),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "parameters": sum(each.numel() for each in tensors.values()),
        "validation": {key: float(f"{value:.6g}") for key, value in trained.figures.items()},
    }


def _device(device: torch.device) -> str:
    if device.type != "cuda":
        return str(device)
    return f"{device} ({torch.cuda.get_device_name(device)})"
