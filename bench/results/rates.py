"""Rates that are no measured sizes: their codecs carry a mark in every table, plot and comparison.

A mark is part of the name that readers of results see, so that no output can forget it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_MARKS = {
    "estimated": " [estimated]",
    "reported": " [reported]",
    "published": " [published]",
    "vault": " [vault]",
}
SENTENCES = {
    "estimated": "[estimated]: no stream exists; its rate is the likelihood that a network gives, "
    "which no decoder has read.",
    "reported": "[reported]: sizes of streams as their authors say; nothing was decoded here.",
    "published": "[published]: numbers of others, not measured here.",
    "vault": "[vault]: measured by others; the vault has their streams, which `bench vault verify` "
    "decodes.",
}


def mark_rates(records: pd.DataFrame) -> pd.DataFrame:
    """The records with marked names; estimated rates take the place of the missing ones."""
    kinds = records.loc[records["rate"].notna(), ["codec", "rate"]].astype("str")
    if kinds.empty:
        return records
    # "estimated" first: it is the mark of a codec that has rates of several kinds
    kinds = kinds.sort_values("rate").drop_duplicates("codec")
    marks = {codec: f"{codec}{_MARKS[kind]}" for codec, kind in kinds.to_numpy()}
    estimated = records["rate"].astype("str") == "estimated"
    pixels = records["width"] * records["height"] * records["frames"]
    bpp = records["bpp"].where(~estimated, records["bpp_estimated"])
    size = records["bytes"].where(~estimated, bpp * pixels / 8)
    return records.assign(codec=records["codec"].cat.rename_categories(marks), bpp=bpp, bytes=size)


def published_mark(name: str, origin: str = "published") -> str:
    """The name of a curve that was not measured here, but published or packed into a vault."""
    return f"{name}{_MARKS[origin]}"


def unmarked(name: str) -> str:
    """The codec's id."""
    for mark in _MARKS.values():
        name = name.removesuffix(mark)
    return name


def without_estimates(curves: pd.DataFrame) -> pd.DataFrame:
    """Curves as a file keeps them: an estimate stands in its own column alone."""
    estimated = curves["codec"].astype("str").str.endswith(_MARKS["estimated"])
    if not estimated.any():
        return curves
    measured = ["bpp", "bpp_pooled", "bytes", "bpp_interval"]
    return curves.assign(**{name: curves[name].where(~estimated) for name in measured})


def mark_sentences(names: Iterable[str]) -> list[str]:
    """What the marks among these names mean."""
    names = tuple(names)
    return [
        SENTENCES[kind]
        for kind, mark in _MARKS.items()
        if any(name.endswith(mark) for name in names)
    ]
