"""Still-image codecs of Pillow and its JPEG XL plug-in: JPEG, JPEG 2000, WebP, AVIF, JXL, PNG.

Each encodes in memory, on one thread, and strips what no decoder needs before counting.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import AvifImagePlugin, Image, features

from bench.bitstreams import Stripped
from bench.bitstreams.stills import (
    measure_avif,
    strip_jpeg,
    strip_jpeg2000,
    strip_png,
    strip_webp,
)
from bench.codecs.base import Allowed, Choice, Flag, Range, refuse_large
from bench.codecs.support.still import StillCodec
from bench.errors import BitstreamError, CodecError, Unavailable
from bench.records import Point
from bench.signals import Frame, Layout

if TYPE_CHECKING:
    from bench.cards import CodecCard

_SUBSAMPLING = Choice(("4:4:4", "4:2:2", "4:2:0"))
_DECODE_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    RuntimeError,
    MemoryError,
    Image.DecompressionBombError,
)
"""What Pillow and its plug-ins raise on broken files, by experiment."""
_MOST_PIXELS = 2 * (1 << 30) // 4 // 3
"""Where Pillow refuses to decode: twice its default ``MAX_IMAGE_PIXELS``."""


Options = dict[str, Any]
"""Keyword arguments of ``Image.save``."""


class PillowCodec(StillCodec):
    """A format that Pillow writes and reads; subclasses choose the options."""

    format: ClassVar[str]
    feature: ClassVar[str]

    def options(self, point: Point, gray: bool) -> Options:
        """Of a point."""
        raise NotImplementedError

    @staticmethod
    def strip(data: bytes) -> Stripped:
        """The file without what no decoder needs. Raises BitstreamError for a broken file."""
        raise NotImplementedError

    def encode_picture(self, pixels: Frame, point: Point) -> Stripped:
        picture = Image.fromarray(pixels)
        buffer = io.BytesIO()
        try:
            picture.save(buffer, format=self.format, **self.options(point, pixels.ndim == 2))
        except (OSError, ValueError, RuntimeError) as error:
            raise CodecError(f"{self.format} encoder at {point}: {error}") from error
        return self.strip(buffer.getvalue())

    def decode_picture(self, file: bytes) -> Frame:
        self.strip(file)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                with Image.open(io.BytesIO(file), formats=[self.format]) as picture:
                    known = picture.mode in ("L", "RGB")
                    return np.asarray(picture if known else picture.convert("RGB"))
        except _DECODE_ERRORS as error:
            raise BitstreamError(f"{self.format} decoder: {error}") from error

    def refusal(self, layout: Layout) -> str | None:
        if layout.width * layout.height > _MOST_PIXELS:
            return (
                f"{self.card.id}: Pillow decodes at most {_MOST_PIXELS} pixels a picture, "
                f"not {layout.width}x{layout.height}"
            )
        return super().refusal(layout)

    def check_available(self) -> None:
        if not features.check(self.feature):
            raise Unavailable(
                f"{self.card.id}: this Pillow was built without {self.feature}; "
                "install a wheel: pip install --force-reinstall --only-binary :all: pillow"
            )

    def versions(self) -> Mapping[str, str]:
        return _pillow_versions(self.feature)


@cache
def _pillow_versions(feature: str) -> Mapping[str, str]:
    library = features.version_feature("libjpeg_turbo") if feature == "jpg" else None
    return {
        "pillow": version("pillow"),
        feature: str(library or features.version(feature)),
    }


class Jpeg(PillowCodec):
    """Baseline or progressive JPEG of libjpeg-turbo, Pillow's defaults (ITU-T T.81)."""

    format = "JPEG"
    strip = staticmethod(strip_jpeg)
    feature = "jpg"
    max_side = 65500
    ladder_keys = ("quality",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "quality": Range(1, 100),
        "optimize": Flag(),
        "progressive": Flag(),
        "subsampling": _SUBSAMPLING,
    }

    @classmethod
    def overridden(cls, card: CodecCard) -> Mapping[str, str]:
        settings = card.settings
        if settings.get("progressive") and settings.get("optimize") is False:
            return {"optimize": "progressive=True"}
        return {}

    def options(self, point: Point, gray: bool) -> Options:
        chosen = dict(self.settings)
        if gray:
            chosen.pop("subsampling", None)
        return {"quality": int(point.value), **chosen}


class Jpeg2000(PillowCodec):
    """JPEG 2000 codestream of OpenJPEG: 9/7 wavelet, irreversible colour transform, 4:4:4."""

    format = "JPEG2000"
    strip = staticmethod(strip_jpeg2000)
    feature = "jpg_2000"
    ladder_keys = ("ratio", "psnr")
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "ratio": Range(1, 10000, integer=False),
        "psnr": Range(1, 100, integer=False),
    }

    def options(self, point: Point, gray: bool) -> Options:
        mode = "rates" if point.key == "ratio" else "dB"
        return {
            "no_jp2": True,
            "irreversible": True,
            "mct": 0 if gray else 1,
            "quality_mode": mode,
            "quality_layers": [float(point.value)],
        }


class WebP(PillowCodec):
    """Lossy WebP of libwebp (RFC 9649): YCbCr BT.601 4:2:0, gray has no mode of its own."""

    format = "WEBP"
    strip = staticmethod(strip_webp)
    feature = "webp"
    max_side = 16383
    codes_gray = False
    ladder_keys = ("quality",)
    parameters: ClassVar[Mapping[str, Allowed]] = {"quality": Range(0, 100), "method": Range(0, 6)}

    def options(self, point: Point, gray: bool) -> Options:
        return {"quality": int(point.value), "method": int(self.settings.get("method", 4))}


class Avif(PillowCodec):
    """AVIF of libavif and libaom, full range; gray is coded as 4:0:0."""

    format = "AVIF"
    strip = staticmethod(measure_avif)
    feature = "avif"
    ladder_keys = ("quality",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "quality": Range(0, 99),
        "speed": Range(0, 9),  # libaom takes 9 for 10
        "subsampling": _SUBSAMPLING,
        "tune": Choice(("psnr", "ssim", "iq", "default")),
    }

    def options(self, point: Point, gray: bool) -> Options:
        tune = self.settings.get("tune", "psnr")
        return {
            "quality": int(point.value),
            "speed": int(self.settings.get("speed", 6)),
            "subsampling": "4:0:0" if gray else self.settings.get("subsampling", "4:4:4"),
            "codec": "aom",
            "max_threads": 1,
            "autotiling": False,
            "advanced": {} if tune == "default" else {"tune": tune},
        }

    def decode_picture(self, file: bytes) -> Frame:
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
        return super().decode_picture(file)


class Jxl(PillowCodec):
    """JPEG XL codestream of libjxl without container; ``quality`` maps to a distance."""

    format = "JXL"
    feature = "jxl"
    ladder_keys = ("quality",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "quality": Range(0, 99, integer=False),
        "effort": Range(1, 10),
    }

    def options(self, point: Point, gray: bool) -> Options:
        return {
            "quality": float(point.value),
            "effort": int(self.settings.get("effort", 7)),
            "num_threads": 1,
        }

    def encode_picture(self, pixels: Frame, point: Point) -> Stripped:
        self.check_available()
        return super().encode_picture(pixels, point)

    def decode_picture(self, file: bytes) -> Frame:
        self.check_available()
        return super().decode_picture(file)

    @staticmethod
    def strip(data: bytes) -> Stripped:
        if data[:2] != b"\xff\x0a":
            raise BitstreamError(f"not a JPEG XL codestream: it starts with {data[:2].hex()}")
        return Stripped(data, 2, 0)

    def check_available(self) -> None:
        try:
            from pillow_jxl import JpegXLImagePlugin
        except ImportError as error:
            raise Unavailable(
                f"{self.card.id}: {error}; install it: pip install pillow-jxl-plugin"
            ) from error
        JpegXLImagePlugin.DECODE_THREADS = 1

    def versions(self) -> Mapping[str, str]:
        return {"pillow-jxl-plugin": version("pillow-jxl-plugin")}


class Png(PillowCodec):
    """PNG, all filters tried, DEFLATE at the highest level (ISO/IEC 15948)."""

    format = "PNG"
    strip = staticmethod(strip_png)
    feature = "zlib"
    lossless = True

    def options(self, point: Point, gray: bool) -> Options:
        return {"optimize": True}

    def refusal(self, layout: Layout) -> str | None:
        return super().refusal(layout) or refuse_large(self.card.id, layout)
