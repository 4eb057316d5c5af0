"""Estimated rates beside measured ones, for codecs that have both kinds of estimate.

A variational autoencoder is often reported at its KL divergence alone; here it stands beside the
likelihood of the quantised latents and the bytes that were written. Measures nothing.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from bench.records import CodecName
from bench.report.content import Content
from bench.report.pages import Page
from bench.report.tables import signed

if TYPE_CHECKING:
    import pandas as pd

    from bench.cards.suites import Suite

FILE = "estimated_rates.md"
_COLUMNS = (
    *("Codec", "Point", "PSNR-RGB, dB", "KL divergence, bpp", "Likelihood, bpp", "Measured, bpp"),
    *("Bytes", "Measured over KL, %", "Measured over likelihood, %"),
)


def write(content: Content, folder: Path, suite: Suite) -> Page:
    """Writes estimated_rates.md if a codec's records hold both estimates."""
    curves = content.curves
    both = curves[curves["bpp_likelihood"].notna() & curves["bpp_estimated"].notna()]
    if both.empty:
        return Page()
    path = folder / FILE
    path.write_text(_markdown(content, both), encoding="utf-8")
    return Page(path)


def _markdown(content: Content, points: pd.DataFrame) -> str:
    lines = [
        f"# Estimated and measured rates: {content.results.run.suite_title}",
        "",
        f"Means over {content.counted(content.results.run.items)}. KL divergence: of the "
        "posterior from the prior, the rate that papers on variational autoencoders report. "
        "Likelihood: −log2 of the prior's probability of the quantised latents. Measured: every "
        "byte that the decoder reads.",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        f"| --- | --- |{' ---: |' * (len(_COLUMNS) - 2)}",
    ]
    for point in points.to_dict("records"):
        measured, divergence, likelihood = (
            float(point[name]) for name in ("bpp", "bpp_estimated", "bpp_likelihood")
        )
        cells = [str(point["codec"]), str(point["point"]), f"{point['psnr_rgb']:.2f}"]
        cells += [f"{rate:.4f}" for rate in (divergence, likelihood, measured)]
        cells += [f"{point['bytes']:.1f}"]
        cells += [signed(100 * (measured / rate - 1)) for rate in (divergence, likelihood)]
        lines.append(f"| {' | '.join(cell for cell in cells)} |")
    return "\n".join([*lines, "", *_lowest(content, points)]) + "\n"


def _lowest(content: Content, points: pd.DataFrame) -> list[str]:
    """The lowest rate that any other codec gives, and which of these points are below it."""
    own = {_card(codec) for codec in points["codec"]}
    foreign = ~content.curves["codec"].map(_card).isin(own)
    others = content.curves[foreign & (content.curves["items"] > 0)]
    if others.empty:
        return []
    lowest = min(others.to_dict("records"), key=lambda point: float(point["bpp"]))
    said = f"{lowest['codec']} at {lowest['point']} with {lowest['bpp']:.4f} bpp"
    if math.isfinite(float(lowest["psnr_rgb"])):
        said += f" and {lowest['psnr_rgb']:.2f} dB"
    below = [point for point in points.to_dict("records") if point["bpp"] < lowest["bpp"]]
    if not below:
        return [f"- No point is below the lowest rate of all other codecs, {said}."]
    shown = ", ".join(
        f"{point['codec']} {point['point']} ({point['bpp']:.4f} bpp, {point['psnr_rgb']:.2f} dB)"
        for point in below
    )
    return [f"- Lowest rate of all other codecs: {said}. Below it: {shown}."]


def _card(codec: str) -> str:
    """A codec without the settings of a variation."""
    return CodecName.parse(codec).card
