"""Still pictures: what is read exactly, and every kind that is refused by name with its cure."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.inputs import input_loader
from bench.datasets.pictures import decode_picture, header_layout, picture_item
from bench.datasets.sources import Refusal
from bench.errors import DataError

_RGB = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)


def _stored(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _png16_rgb() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" + bytes(12))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("kind", "suffix", "options"),
    [
        ("png", ".png", {}),
        ("tiff", ".tif", {"compression": "tiff_lzw"}),
        ("tiff", ".TIFF", {}),
        ("webp", ".webp", {"lossless": True}),
        ("ppm", ".ppm", {}),
        ("bmp", ".bmp", {}),
    ],
)
def test_formats_are_read_exactly(kind: str, suffix: str, options: dict[str, object]) -> None:
    content = _stored(Image.fromarray(_RGB), kind, **options)
    layout = header_layout(content, suffix)
    assert (layout.samples, layout.width, layout.height, layout.media) == ("rgb", 5, 7, "image")
    assert np.array_equal(decode_picture(content, suffix), _RGB)


@pytest.mark.parametrize(("kind", "suffix"), [("png", ".png"), ("ppm", ".pgm"), ("tiff", ".tif")])
def test_gray_stays_gray(kind: str, suffix: str) -> None:
    content = _stored(Image.fromarray(_RGB[..., 0]), kind)
    assert header_layout(content, suffix).samples == "gray"
    assert np.array_equal(decode_picture(content, suffix), _RGB[..., 0])


def _refused() -> dict[str, tuple[bytes, str, str]]:
    rgb = Image.fromarray(_RGB)
    frames = [Image.fromarray(_RGB), Image.fromarray(255 - _RGB)]
    animation = {"save_all": True, "append_images": frames[1:]}
    transparent = _stored(rgb, "png", transparency=(1, 2, 3))
    deep = Image.fromarray(np.full((3, 4), 999, np.uint16))
    return {
        "zero bytes": (b"", ".png", r"empty \(0 bytes\)"),
        "text": (b"not a picture at all", ".png", "no picture, or a corrupt one"),
        "renamed jpeg": (_stored(rgb, "jpeg"), ".png", "JPEG inside, already lossily coded"),
        "jpeg": (_stored(rgb, "jpeg"), ".jpg", "already lossily coded.*convert it to PNG"),
        "renamed tiff": (_stored(rgb, "tiff"), ".png", "TIFF inside.*rename it to .tif"),
        "alpha": (_stored(rgb.convert("RGBA"), "png"), ".png", "alpha channel; flatten"),
        "gray alpha": (_stored(rgb.convert("LA"), "png"), ".png", "gray with an alpha channel"),
        "transparent": (transparent, ".png", "tRNS"),
        "16-bit gray": (_stored(deep, "png"), ".png", "more than 8 bits"),
        "16-bit gray tiff": (_stored(deep, "tiff"), ".tif", "more than 8 bits"),
        "16-bit rgb": (_png16_rgb(), ".png", "more than 8 bits"),
        "16-bit ppm": (b"P6 2 1 65535\n" + bytes(12), ".ppm", "more than 8 bits"),
        "float": (_stored(deep.convert("F"), "tiff"), ".tif", "more than 8 bits|floating-point"),
        "cmyk": (_stored(rgb.convert("CMYK"), "tiff"), ".tif", "CMYK; convert it to RGB"),
        "palette": (_stored(rgb.convert("P"), "png"), ".png", "palette"),
        "bilevel": (_stored(rgb.convert("1"), "png"), ".png", "bilevel"),
        "animated webp": (_stored(frames[0], "webp", **animation), ".webp", "animated"),
        "animated png": (_stored(frames[0], "png", **animation), ".png", "animated"),
        "pages": (_stored(frames[0], "tiff", **animation), ".tif", "2 pages"),
        "gif": (_stored(rgb.convert("P"), "gif"), ".gif", "palette"),
    }


@pytest.mark.parametrize("name", _refused())
def test_refused_by_name_with_a_cure(name: str, tmp_path: Path) -> None:
    content, suffix, message = _refused()[name]
    with pytest.raises(Refusal, match=message):
        header_layout(content, suffix)
    path = tmp_path / f"thing{suffix}"
    path.write_bytes(content)
    item = picture_item(path, "thing")
    assert item.layout is None
    assert item.problem is not None and item.problem.startswith(path.name)
    with pytest.raises(DataError, match=f"none of 1 pictures can be used: thing{suffix}"):
        input_loader(path)


def test_truncated_picture_is_found_when_it_is_read(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = _stored(Image.fromarray(noise), "png")
    path = tmp_path / "half.png"
    path.write_bytes(content[: len(content) // 2])
    media, loader = input_loader(path)
    assert media == "image"
    with pytest.raises(DataError, match=r"half.png: truncated or corrupt .*get it again"):
        loader.load(loader.items()[0])


def test_one_bad_picture_does_not_stop_the_others(tmp_path: Path) -> None:
    Image.fromarray(_RGB).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"")
    (tmp_path / "readme.txt").write_text("passed over")
    _, loader = input_loader(tmp_path)
    bad, good = loader.items()
    assert bad.problem == "bad.png: empty (0 bytes); get it again"
    assert np.array_equal(loader.load(good).array()[0], _RGB)
    assert loader.notes() == ("1 of 2 pictures cannot be used; each record says why",)
    with pytest.raises(DataError, match=r"^bad"):
        loader.load(bad)


def test_changed_and_removed_files_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    Image.fromarray(_RGB).save(path)
    _, loader = input_loader(path)
    Image.fromarray(255 - _RGB).save(path)
    with pytest.raises(DataError, match="changed since this run was planned"):
        loader.load(loader.items()[0])
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        loader.load(loader.items()[0])


@pytest.mark.parametrize("shape", [(1, 1), (1, 37, 3), (41, 1), (3, 5000, 3)])
def test_extreme_sizes(shape: tuple[int, ...], tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "extreme.png")
    _, loader = input_loader(tmp_path)
    assert np.array_equal(loader.load(loader.items()[0]).array()[0], pixels)
