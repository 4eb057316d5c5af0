"""What a learned codec may import beside :mod:`bench.codecs.toolkit`; these names stay too."""

from __future__ import annotations

from bench.codecs.support.complexity import measure_complexity
from bench.codecs.support.learned_codec import LearnedCodec
from bench.codecs.support.refinement import Outlook, descended, frozen, refined, soft_round
from bench.codecs.support.tensors import (
    Geometry,
    fingerprint,
    inference,
    refuse_samples,
    to_frame,
    to_tensor,
)
from bench.codecs.support.weights import save_weights

__all__ = [
    "Geometry",
    "LearnedCodec",
    "Outlook",
    "descended",
    "fingerprint",
    "frozen",
    "inference",
    "measure_complexity",
    "refined",
    "refuse_samples",
    "save_weights",
    "soft_round",
    "to_frame",
    "to_tensor",
]
