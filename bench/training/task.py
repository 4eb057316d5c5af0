"""What a training task is: the protocol that the loop drives and a base class with defaults.

A task knows its network, data and loss; it never steps an optimiser, writes a file or keeps a
random state of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from bench.training.settings import Recipe


@dataclass(frozen=True, slots=True)
class Losses:
    """The total that is minimised, and its parts for the loss curve, all 0-d tensors.

    ``auxiliary`` is minimised by the second optimiser alone (CompressAI's quantiles).
    """

    total: Tensor
    parts: Mapping[str, Tensor]
    auxiliary: Tensor | None = None


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """What a task is built from. ``data`` is the data folder of the command line, if any;
    ``scratch`` is where a task may keep what it computed from data, for the next training."""

    recipe: Recipe
    device: torch.device
    data: Path | None = None
    scratch: Path | None = None

    @property
    def options(self) -> Mapping[str, Any]:
        """``[training.options]`` of the card."""
        return self.recipe.settings.options


class TrainingTask(Protocol):
    """One network in training. The constructor is ``Task(context)``.

    All state that training changes lives in ``model``: parameters and buffers. The loop seeds
    torch from (seed, step) before ``batch`` and ``loss``, so that a resumed run repeats exactly.
    """

    model: nn.Module

    def batch(self, step: int, rng: np.random.Generator) -> Any:
        """The data of a step: a tensor or a tuple, list or dict of tensors, on the CPU.

        Must depend on ``step`` and ``rng`` alone; ``rng`` is seeded from (seed, step).
        """

    def loss(self, batch: Any, step: int) -> Losses:
        """The losses on a batch that the loop has moved to the device."""

    def after_step(self, step: int) -> None:
        """Runs after the optimiser: codebook revival, projections."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups for the main optimiser; ``lr`` of a group is a factor of the schedule's rate."""

    def auxiliary_parameters(self) -> Iterable[nn.Parameter]:
        """Parameters of the second optimiser, in none of the groups."""

    def validate(self) -> Mapping[str, float]:
        """Figures on held-out data; the model is in eval mode, without gradients."""

    def export(self) -> Mapping[str, Tensor]:
        """The tensors of the weight file: all that ``load`` and the codec need."""

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Start from exported weights."""

    def data_digest(self) -> str:
        """Hash of the training data, for the model card."""


class TaskBase:
    """Defaults of the protocol; a task adds ``model``, ``batch``, ``loss`` and ``validate``."""

    model: nn.Module

    def __init__(self, context: TrainingContext) -> None:
        self.context = context
        self.settings = context.recipe.settings

    def after_step(self, step: int) -> None:
        return None

    def parameter_groups(self) -> list[dict[str, Any]]:
        auxiliary = {id(parameter) for parameter in self.auxiliary_parameters()}
        rest = [each for each in self.model.parameters() if id(each) not in auxiliary]
        return [{"params": [each for each in rest if each.requires_grad]}]

    def auxiliary_parameters(self) -> Iterable[nn.Parameter]:
        return ()

    def validate(self) -> Mapping[str, float]:
        return {}

    def export(self) -> Mapping[str, Tensor]:
        return self.model.state_dict()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        self.model.load_state_dict(dict(tensors))

    def data_digest(self) -> str:
        return ""
