"""The shipped suites: their metrics exist and apply, their anchors have a curve."""

from __future__ import annotations

import pytest

from bench.cards import load_registry
from bench.cards.suites import Suite
from bench.codecs.build import select
from bench.datasets.base import loader_class
from bench.metrics.registry import check_metrics

_SUITES = load_registry().suites()


@pytest.mark.parametrize("suite", _SUITES.values(), ids=_SUITES)
def test_suite(suite: Suite) -> None:
    registry = load_registry()
    card = registry.dataset(suite.dataset)
    assert callable(loader_class(card))
    check_metrics(suite.metrics, suite.id)
    codecs = [select(registry, word) for word in suite.codecs]
    # a mosaic suite codes many pictures of an image set as one clip
    wanted = {"vector"} if card.media == "vector" else {card.media, "video"}
    assert codecs and all(wanted & set(codec.media) for codec in codecs)
    ladders = {codec.id: codec.ladder for codec in codecs}
    assert suite.anchor is None or len(ladders[suite.anchor]) >= 4
    assert card.media != "image" or "vmaf" not in suite.metrics
    assert card.media != "vector" or set(suite.metrics) == {"mse"}
