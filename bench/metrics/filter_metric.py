"""What the metrics of ffmpeg's filters libvmaf and xpsnr share: versions, and one pass of many.

Owns no process: that is filters.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from bench.metrics.base import ClipValues, JointMetric

if TYPE_CHECKING:
    from bench.metrics.filter_probe import Chroma, Wanted
    from bench.signals import Signal

NEEDS = "ffmpeg with libvmaf, as imageio-ffmpeg brings it"


class FilterMetric(JointMetric):
    """With neither ``model`` nor ``feature`` of libvmaf, the luma of xpsnr."""

    model: ClassVar[str] = ""
    feature: ClassVar[str] = ""
    chroma: ClassVar[Chroma] = "none"
    """What it reads of RGB besides luma."""

    @classmethod
    def wanted(cls) -> Wanted:
        """What the filters are asked for."""
        from bench.metrics.filter_probe import Wanted

        return Wanted(cls.info.id, cls.model, cls.feature, cls.chroma)

    @classmethod
    def check_available(cls) -> None:
        cls.versions()

    @classmethod
    def versions(cls) -> Mapping[str, str]:
        from bench.codecs.support.ffmpeg_binary import find_ffmpeg
        from bench.metrics.filter_probe import versions

        return versions(cls.wanted(), find_ffmpeg())

    @staticmethod
    def measure(
        metrics: Sequence[FilterMetric], reference: Signal, decoded: Signal
    ) -> Mapping[str, ClipValues]:
        from bench.codecs.support.ffmpeg_binary import find_ffmpeg
        from bench.metrics.filters import measure

        return measure([one.wanted() for one in metrics], reference, decoded, find_ffmpeg())
