"""Which codecs of a report code RGB pictures with halved chroma, and from which rate on it costs.

Judges by what cards say and by measured ceilings; formats the sentence that all outputs share.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bench.report.content import Content

MARK = "†"
LOSS_DB = 0.5
"""What halved chroma must cost before the rate is named."""


def codes_420(content: Content, codec: str) -> bool:
    """Whether the codec halves the chroma of RGB pictures. Its card says so in the title, as every
    card must; a colour path exists for RGB sources only."""
    info = content.results.info(codec)
    points = content.curves[content.curves["codec"] == codec]
    return info is not None and "4:2:0" in info.title and points["psnr_rgb_ceiling"].notna().any()


def marked(content: Content, codec: str) -> str:
    """The codec's name with the mark of 4:2:0 where it applies."""
    return f"{codec}{MARK}" if codes_420(content, codec) else codec


def chroma_sentence(content: Content) -> str:
    """What the mark means and from which rate on it matters; empty without such a codec."""
    told = [_threshold(content, codec) for codec in content.results.codecs
            if codes_420(content, codec)]  # fmt: skip
    if not told:
        return ""
    return (
        f"{MARK} codes RGB pictures in 4:2:0: the halved chroma alone limits quality to its "
        f"ceiling, and costs {LOSS_DB:g} dB and more where the two errors, taken as independent, "
        f"add up so: {'; '.join(told)}."
    )


def _threshold(content: Content, codec: str) -> str:
    points = content.lossy_points(codec)
    ceiling = float(points["psnr_rgb_ceiling"].mean())
    limit = ceiling + 10 * math.log10(1 - 10 ** (-LOSS_DB / 10))
    said = f"{codec} above {limit:.1f} dB (ceiling {ceiling:.1f} dB)"
    psnr, rates = points["psnr_rgb"].to_numpy(), points["bpp"].to_numpy()
    order = np.argsort(psnr)
    if psnr.max() < limit:
        return f"{said}, which none of its points reaches"
    rate = 2 ** np.interp(limit, psnr[order], np.log2(rates[order]))
    return f"{said}, from {rate:.2f} {content.rate_unit} on"
