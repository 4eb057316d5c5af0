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
    """Whether the codec halves the chroma of RGB pictures: a variation's setting says so, else the
    title, as that of every card must."""
    info = content.results.info(codec)
    if info is None:
        return False
    said = next((info.settings[key] for key in ("chroma", "subsampling") if key in info.settings),
                "4:2:0" if "4:2:0" in info.title else "")  # fmt: skip
    return str(said) in ("420", "4:2:0") and _from_rgb(content, codec)


def _from_rgb(content: Content, codec: str) -> bool:
    """A source in 4:2:0 has three channels as well, but neither a colour path nor RGB."""
    records = content.results.records
    wanted = [name for name in ("channels", "psnr_rgb", "psnr_rgb_ceiling") if name in records]
    mine = records.loc[records["codec"] == codec, wanted]
    coloured = mine["channels"] == 3
    if "psnr_rgb" in mine:
        coloured &= mine["psnr_rgb"].notna()
    return bool(coloured.any() or mine["psnr_rgb_ceiling"].notna().any())


def marked(content: Content, codec: str) -> str:
    """The codec's name with the mark of 4:2:0 where it applies."""
    return content.name(codec) + MARK * codes_420(content, codec)


def chroma_sentence(content: Content) -> str:
    """What the mark means and from which rate on it matters; empty without such a codec."""
    halved = [codec for codec in content.results.codecs if codes_420(content, codec)]
    # PSNR of the colour path alone; NaN where the codec converts by itself
    found = {
        codec: float(content.lossy_points(codec)["psnr_rgb_ceiling"].mean()) for codec in halved
    }
    known = [ceiling for ceiling in found.values() if math.isfinite(ceiling)]
    told = [_threshold(content, codec, found[codec], min(known, default=math.nan))
            for codec in halved if len(content.lossy_points(codec))]  # fmt: skip
    if not told:
        return ""
    return (
        f"{MARK} codes RGB pictures in 4:2:0: the halved chroma alone limits quality to its "
        f"ceiling, and costs {LOSS_DB:g} dB and more where the two errors, taken as independent, "
        f"add up so: {'; '.join(told)}."
    )


def _threshold(content: Content, codec: str, ceiling: float, lowest: float) -> str:
    """From which quality and rate on; ``lowest`` of the ceilings stands for one that is not
    known."""
    note = f"ceiling {ceiling:.1f} dB"
    if not math.isfinite(ceiling):
        if not math.isfinite(lowest):
            return f"{content.name(codec)}, whose ceiling is not measured, as it converts by itself"
        ceiling, note = lowest, f"converts by itself; ceiling taken as {lowest:.1f} dB"
    points = content.lossy_points(codec)
    limit = ceiling + 10 * math.log10(1 - 10 ** (-LOSS_DB / 10))
    said = f"{content.name(codec)} above {limit:.1f} dB ({note})"
    psnr, rates = points["psnr_rgb"].to_numpy(), points["bpp"].to_numpy()
    order = np.argsort(psnr)
    if psnr.max() < limit:
        return f"{said}, which none of its points reaches"
    rate = 2 ** np.interp(limit, psnr[order], np.log2(rates[order]))
    return f"{said}, from {rate:.2f} {content.rate_unit} on"
