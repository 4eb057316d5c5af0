"""Checkpoints of a training: written atomically, read without unpickling, refused if foreign."""

from __future__ import annotations

import os
import pickle
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bench.errors import UsageError
from bench.training.settings import Recipe

# 1: first version
FORMAT = 1


@dataclass(slots=True)
class Checkpoint:
    """The whole state of a training after ``step`` steps.

    ``rows`` are those of the loss curve so far, ``window`` the sums since the last row; ``start``
    names the weights that it began from.
    """

    codec: str
    name: str
    settings: dict[str, Any]
    step: int = 0
    seconds: float = 0.0
    model: dict[str, Any] = field(default_factory=dict)
    optimiser: dict[str, Any] = field(default_factory=dict)
    auxiliary: dict[str, Any] = field(default_factory=dict)
    average: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)
    window: dict[str, float] = field(default_factory=dict)
    window_steps: int = 0
    start: str = ""
    format: int = FORMAT


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replaces the file in one move: a kill at any moment leaves the old or the new one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.new")
    table = {key: getattr(checkpoint, key) for key in Checkpoint.__dataclass_fields__}
    with temporary.open("wb") as file:
        torch.save(table, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_checkpoint(path: Path, recipe: Recipe) -> Checkpoint:
    """The checkpoint of this recipe. Raises UsageError for a broken or foreign one."""
    try:
        table = torch.load(path, map_location="cpu", weights_only=True)
        checkpoint = Checkpoint(**table)
    except (OSError, EOFError, RuntimeError, TypeError, ValueError) as error:
        raise _broken(path, error) from error
    except (pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise _broken(path, error) from error
    if checkpoint.format != FORMAT:
        raise UsageError(f"{path}: checkpoint format {checkpoint.format}, not {FORMAT}; --fresh")
    if (checkpoint.codec, checkpoint.name) != (recipe.codec, recipe.name):
        raise UsageError(
            f"{path}: a checkpoint of {checkpoint.codec}/{checkpoint.name}, not of "
            f"{recipe.codec}/{recipe.name}; give another --work folder or --fresh"
        )
    now = recipe.settings.comparable()
    changed = [
        f"{key} {checkpoint.settings.get(key)!r} → {now[key]!r}"
        for key in now
        if checkpoint.settings.get(key) != now[key]
    ]
    if changed:
        raise UsageError(
            f"{path}: the card's [training] table has changed since this checkpoint of "
            f"{recipe.codec}/{recipe.name} ({'; '.join(changed)}); restore it, or give --fresh"
        )
    return checkpoint


def _broken(path: Path, error: Exception) -> UsageError:
    return UsageError(f"{path}: not a checkpoint of this project ({error}); delete it or --fresh")
