"""What a training task is: the protocol that the loop drives and a base class with defaults.

A task knows its network, data and loss; it never steps an optimiser, writes a file or keeps a
random state of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from bench.errors import UsageError
from bench.learned.training.options import Options
from bench.learned.training.settings import Recipe

Batch = TypeVar("Batch")
"""The data of a step: tensors, numbers, and tuples, lists and dicts of them."""


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
    def options(self) -> Options:
        """``[training.options]`` of the card."""
        return Options(f"{self.recipe.where}.options", self.recipe.settings.options)


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters of the main optimiser; ``factor`` is of the schedule's learning rate."""

    parameters: Sequence[nn.Parameter]
    factor: float = 1.0


class TrainingTask(Protocol[Batch]):
    """One network in training. The constructor is ``Task(context)``.

    All state that training changes lives in ``model``: parameters and buffers. The loop seeds
    torch from (seed, step) before ``loss``, so that a resumed run repeats exactly. Neither ``loss``
    nor ``after_step`` reads a tensor's value on the host (``.item()``, ``int()``, a mask as an
    index) or makes a tensor of host numbers: a GPU would wait for each.
    """

    model: nn.Module

    def batch(self, step: int, rng: np.random.Generator) -> Batch:
        """The data of a step on the CPU.

        Must depend on ``step`` and ``rng`` alone, not on torch's random state; ``rng`` is seeded
        from (seed, step). May run ahead of the training, in another process.
        """

    def loss(self, batch: Batch, step: int) -> Losses:
        """The losses on a batch that the loop has moved to the device."""

    def after_step(self, step: int) -> None:
        """Runs after the optimiser: codebook revival, projections."""

    def parameter_groups(self) -> list[ParameterGroup]:
        """What the main optimiser trains."""

    def auxiliary_parameters(self) -> Iterable[nn.Parameter]:
        """Parameters of the second optimiser, in none of the groups."""

    def averaged_buffers(self) -> Iterable[str]:
        """Names of buffers that are averaged as weights are, besides those of batch
        normalisation: what the forward pass in training mode learns without gradients."""

    def validate(self) -> Mapping[str, float]:
        """Figures on held-out data; the model is in eval mode, without gradients."""

    def export(self) -> Mapping[str, Tensor]:
        """The tensors of the weight file: all that ``load`` and the codec need."""

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Start from exported weights."""

    def data_digest(self) -> str:
        """Hash of the training data, for the model card."""


class TaskBase(TrainingTask[Batch]):
    """Defaults of the protocol; a task adds ``model``, ``batch``, ``loss`` and ``validate``."""

    def __init__(self, context: TrainingContext) -> None:
        self.context = context
        self.settings = context.recipe.settings

    def after_step(self, step: int) -> None:
        return None

    def parameter_groups(self) -> list[ParameterGroup]:
        auxiliary = {id(parameter) for parameter in self.auxiliary_parameters()}
        rest = [each for each in self.model.parameters() if id(each) not in auxiliary]
        return [ParameterGroup([each for each in rest if each.requires_grad])]

    def auxiliary_parameters(self) -> Iterable[nn.Parameter]:
        return ()

    def averaged_buffers(self) -> Iterable[str]:
        return ()

    def validate(self) -> Mapping[str, float]:
        return {}

    def export(self) -> Mapping[str, Tensor]:
        return self.model.state_dict()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        try:
            self.model.load_state_dict(dict(tensors))
        except RuntimeError as error:
            raise foreign_start(self.context.recipe, error) from error

    def data_digest(self) -> str:
        return ""


def foreign_start(recipe: Recipe, error: Exception) -> UsageError:
    """The error of weights to start from that do not fit a network."""
    detail = " ".join(str(error).split())[:300]
    return UsageError(
        f"{recipe.codec}/{recipe.name}: weights of another architecture to start from ({detail}); "
        "give others or none"
    )
