"""ColorVideoVDP, of the package cvvdp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from bench.metrics.base import SignalMetric
from bench.metrics.info import MetricInfo
from bench.metrics.packages import Packaged

if TYPE_CHECKING:
    from pycvvdp import cvvdp

    from bench.signals import Signal

_DISPLAY = "standard_fhd"
# cvvdp asks for the distribution ``ffmpeg``, whose module would replace that of ffmpeg-python
_CURE = "pip install --no-deps cvvdp && pip install einops huggingface_hub imageio pyexr"


class Cvvdp(Packaged, SignalMetric["tuple[cvvdp, Signal]"]):
    """ColorVideoVDP (Mantiuk et al. 2024) on a standard display."""

    module, distribution, cure = "pycvvdp", "cvvdp", _CURE
    info: ClassVar[MetricInfo] = MetricInfo(
        id="cvvdp",
        title="ColorVideoVDP",
        unit="JOD",
        definition=f"ColorVideoVDP (Mantiuk et al. 2024) on its display {_DISPLAY}; 10: identical",
        purpose=(
            "Predicts how much of a difference people see on a named display at a named "
            "distance, in just-objectionable differences, of pictures and clips with colour. "
            "Another display gives other numbers; it does not judge which picture is nicer."
        ),
        cap=10.0,
        saturation=10.0,
        tolerance=0.02,
        shown=True,
        samples=("rgb",),
        smallest=(32, 32),
        whole=True,
        needs=_CURE,
    )

    @classmethod
    def versions(cls) -> Mapping[str, str]:
        return {**super().versions(), "display": _DISPLAY}

    def prepare(self, reference: Signal) -> tuple[cvvdp, Signal]:
        import torch
        from pycvvdp import cvvdp

        return cvvdp(display_name=_DISPLAY, quiet=True, device=torch.device(self.device)), reference

    def score(self, prepared: tuple[cvvdp, Signal], decoded: Signal) -> float:
        model, reference = prepared
        if reference.layout.media == "image":
            pair = [next(iter(signal.frames())) for signal in (decoded, reference)]
            return float(model.predict(*pair, dim_order="HWC")[0])
        rate = float(reference.layout.fps)
        clips = [signal.array() for signal in (decoded, reference)]
        return float(model.predict(*clips, dim_order="FHWC", frames_per_second=rate)[0])
