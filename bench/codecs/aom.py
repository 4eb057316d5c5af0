"""AV1 by libaom, the reference encoder, through ffmpeg."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bench.codecs.base import Allowed, Choice, Range
from bench.codecs.ffmpeg import Av1
from bench.codecs.ffmpeg_codec import RATES, Options, constant_quality, formats_of
from bench.codecs.support.clip_settings import ONCE, frames_between, intra_interval
from bench.records import Point
from bench.signals import Layout


class Aom(Av1):
    """Constant quality, one quantiser, or a bit rate; 4:0:0 to 4:4:4 at 8 to 12 bits."""

    encoder = "libaom-av1"
    has_400 = True
    has_444 = True
    smallest_side = 16
    formats = formats_of((8, 10, 12))
    library_key = "aom-params"
    rate_parameters = frozenset(
        "cq-level end-usage target-bitrate min-q max-q passes pass undershoot-pct".split()
    )
    thread_parameters = frozenset(("threads", "row-mt"))
    interval_parameters = frozenset("kf-max-dist kf-min-dist kf-mode".split())
    ladder_keys = ("crf", "qp", "kbps")
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "crf": Range(0, 63),
        "qp": Range(0, 63),
        "cpu-used": Range(0, 8),
        "tune": Choice(("psnr", "ssim", "default")),
        "chroma": Choice((444, 420)),
        **RATES,
    }

    def rate(self, point: Point) -> Options:
        return constant_quality(point) or super().rate(point)

    def options(self, point: Point, layout: Layout) -> Options:
        settings, interval = self.settings, intra_interval(self.settings)
        tune = settings.get("tune", "psnr")
        # of intra pictures alone libaom filters the frames ahead, and fails
        no_lag = settings.get("structure") == "low-delay" or interval == 1
        between = frames_between(250 if interval is None else interval, layout.frames)
        return {
            **self.rate(point),
            "cpu-used": settings.get("cpu-used", 4),
            "g": between,
            # equal to g, it turns the intra pictures off that libaom puts where scenes change
            **({"keyint_min": between} if interval == ONCE else {}),
            "threads": 1,
            "row-mt": 0,
            **({"lag-in-frames": 0} if no_lag else {}),
            **({} if tune == "default" else {"tune": tune}),
            **({self.library_key: self.params} if self.params else {}),
        }
