import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from bench.bitstreams import Stripped, stills
from bench.errors import BitstreamError

PIXELS = np.random.default_rng(3).integers(0, 256, (24, 40, 3), dtype=np.uint8)


def saved(**options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, **options)
    return buffer.getvalue()


def decoded(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


EXIF = Image.Exif()
EXIF[0x010E] = "planted description"
INFO = PngImagePlugin.PngInfo()
INFO.add_text("Comment", "planted")

Case = tuple[Callable[[bytes], Stripped], dict[str, Any], dict[str, Any]]
CASES: dict[str, Case] = {
    "jpeg-comment": (stills.strip_jpeg, {"format": "JPEG"}, {"comment": b"planted"}),
    "jpeg-exif": (stills.strip_jpeg, {"format": "JPEG"}, {"exif": EXIF}),
    "jpeg-progressive": (
        stills.strip_jpeg,
        {"format": "JPEG", "progressive": True, "optimize": True},
        {"comment": b"planted"},
    ),
    "png-text": (stills.strip_png, {"format": "PNG"}, {"pnginfo": INFO}),
    "png-dpi": (stills.strip_png, {"format": "PNG"}, {"dpi": (72, 72)}),
}


@pytest.mark.parametrize("name", CASES)
def test_planted_metadata_is_discarded_and_nothing_else(name: str) -> None:
    strip, options, planted = CASES[name]
    plain, marked = saved(**options), saved(**options, **planted)
    assert len(marked) > len(plain)
    stripped = strip(marked)
    assert stripped.payload == plain
    assert stripped.discarded_bytes == len(marked) - len(plain)
    assert strip(plain) == Stripped(plain, stripped.header_bytes, 0)


def test_webp_exif_is_discarded() -> None:
    file = saved(format="WEBP", exif=EXIF.tobytes(), quality=50)
    stripped = stills.strip_webp(file)
    assert b"planted" in file
    assert b"planted" not in stripped.payload
    assert stripped.discarded_bytes == len(file) - len(stripped.payload)
    assert (decoded(stripped.payload) == decoded(saved(format="WEBP", quality=50))).all()


def test_jpeg2000_comment_of_openjpeg_is_discarded() -> None:
    file = saved(format="JPEG2000", no_jp2=True)
    stripped = stills.strip_jpeg2000(file)
    assert b"OpenJPEG" in file
    assert b"OpenJPEG" not in stripped.payload
    assert stripped.discarded_bytes == len(file) - len(stripped.payload) > 0
    assert (decoded(stripped.payload) == PIXELS).all()


def test_jpeg_ledger_of_pillow_defaults() -> None:
    stripped = stills.strip_jpeg(saved(format="JPEG"))
    # SOI 2, JFIF 18, two DQT of 69, SOF0 19, four DHT of 33+183+33+183, SOS 14, EOI 2
    assert stripped.header_bytes == 2 + 18 + 2 * 69 + 19 + 33 + 183 + 33 + 183 + 14 + 2


def test_png_ledger() -> None:
    file = saved(format="PNG")
    body = sum(length for name, length in _png_chunks(file) if name == b"IDAT")
    assert stills.strip_png(file).header_bytes == len(file) - body


def _png_chunks(file: bytes) -> list[tuple[bytes, int]]:
    chunks, position = [], 8
    while position < len(file):
        length, name = struct.unpack_from(">I4s", file, position)
        chunks.append((name, length))
        position += 12 + length
    return chunks


def test_avif_header_is_all_but_the_media_data() -> None:
    file = saved(format="AVIF", quality=50, speed=10)
    stripped = stills.measure_avif(file)
    assert stripped.payload == file
    position = file.index(b"mdat")
    assert (
        stripped.header_bytes
        == position + 4
        == len(file) - (int.from_bytes(file[position - 4 : position], "big") - 8)
    )


STRIPPERS = {
    "JPEG": (stills.strip_jpeg, {}),
    "JPEG2000": (stills.strip_jpeg2000, {"no_jp2": True}),
    "PNG": (stills.strip_png, {}),
    "WEBP": (stills.strip_webp, {}),
    "AVIF": (stills.measure_avif, {"speed": 10}),
}


@pytest.mark.parametrize("name", STRIPPERS)
def test_every_truncation_and_foreign_data_are_refused(name: str) -> None:
    strip, options = STRIPPERS[name]
    file = saved(format=name, **options)
    for cut in [0, 1, 2, 7, 20, len(file) // 2, len(file) - 1]:
        with pytest.raises(BitstreamError):
            strip(file[:cut])
    with pytest.raises(BitstreamError):
        strip(zlib.compress(file))


def test_bytes_after_the_end_of_a_jpeg_are_discarded() -> None:
    file = saved(format="JPEG")
    assert stills.strip_jpeg(file + b"tail") == Stripped(
        file, stills.strip_jpeg(file).header_bytes, 4
    )
