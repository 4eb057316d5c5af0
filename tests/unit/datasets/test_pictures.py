"""Still pictures: what is read exactly, and every kind that is refused by name with its cure."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from bench.datasets.inputs import input_loader
from bench.datasets.pictures import decode_picture, header_layout, picture_item
from bench.datasets.sources import Refusal
from bench.errors import DataError

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
_RGB = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)


def _stored(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _png(depth: int, colour: int, width: int = 2, height: int = 1) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    rows = zlib.compress(b"\0" + bytes(12))
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*chunk) for chunk in chunks)


def _four_bit_tiff() -> bytes:
    """TIFF 6.0: little-endian, one gray strip of 2x1 samples of four bits."""
    tags = [(256, 2), (257, 1), (258, 4), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1)]
    entries = b"".join(
        struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in [*tags, (279, 1)]
    )
    return b"II*\0" + struct.pack("<I", 12) + bytes(4) + struct.pack("<H", 9) + entries + bytes(4)


def _five_bit_bmp() -> bytes:
    """A BITMAPINFOHEADER of 16 bits a pixel, which are five bits a sample."""
    header = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 0, 4, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 58, 0, 0, 54) + header + bytes(4)


def _psd() -> bytes:
    """A header of Photoshop's format: version 1, three channels of 8 bits, RGB."""
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, 1, 2, 8, 3)
    return header + bytes(12) + struct.pack(">H", 0) + bytes(6)


def _icc(size: int, gamma: float, named: bytes) -> bytes:
    """An ICC profile, version 2, of one gamma, of gray or of wide primaries."""

    def s15(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    # D50 XYZ of Adobe RGB (1998), Bradford-adapted: Lindbloom's table
    wide = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(named) + 1) + named + bytes(79),
        b"wtpt": b"XYZ " + bytes(4) + s15(0.9642) + s15(1) + s15(0.8249),
    }
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    if size == 1:
        tags[b"kTRC"] = curve
    else:
        for letter, column in zip(b"rgb", wide, strict=True):
            tags[bytes([letter]) + b"XYZ"] = b"XYZ " + bytes(4) + b"".join(map(s15, column))
            tags[bytes([letter]) + b"TRC"] = curve
    table, bodies, place = b"", b"", 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        body += bytes(-len(body) % 4)
        table += struct.pack(">4sII", name, place + len(bodies), len(body))
        bodies += body
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x", place + len(bodies), 0x02100000, b"mntr",
        b"RGB " if size == 3 else b"GRAY", b"XYZ ", b"acsp",
    )  # fmt: skip
    head += s15(0.9642) + s15(1) + s15(0.8249) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + bodies


def _turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def _late_exif() -> bytes:
    """A PNG whose eXIf chunk comes after the samples, as the format allows."""
    content = _stored(Image.fromarray(_RGB), "png")
    body = _turned(6).removeprefix(b"Exif\0\0")
    return content[:-12] + _png_chunk(b"eXIf", body) + content[-12:]


def _raw_profile() -> bytes:
    """Exif as ImageMagick writes it into a text chunk."""
    exif = _turned(6)
    return b"Raw profile type exif\0\nexif\n" + f"{len(exif):8}\n{exif.hex()}\n".encode()


def test_samples_are_not_decoded_for_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    content = _with_chunk(b"tEXt", b"source\0Kodak PCD0992")

    def decode(*arguments: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(Image.Image, "load", decode)
    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    assert header_layout(content, ".png").width == 5


def _png_chunk(name: bytes, body: bytes) -> bytes:
    check = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)


def _with_chunk(name: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk, before its samples."""
    content = _stored(Image.fromarray(_RGB), "png")
    return content[:33] + _png_chunk(name, body) + content[33:]


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
    """By name: a file's content, its suffix, and what the refusal says."""
    return _refused_for_what_they_are() | _refused_for_what_they_say()


def _refused_for_what_they_are() -> dict[str, tuple[bytes, str, str]]:
    """Files of other kinds, samples or numbers of pictures."""
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
        "16-bit rgb": (_png(16, 2), ".png", "more than 8 bits"),
        "4-bit gray": (_png(4, 0), ".png", "^4 bits per sample, not 8; convert it"),
        "2-bit gray": (_png(2, 0), ".png", "^2 bits per sample, not 8; convert it"),
        "1-bit gray": (_png(1, 0), ".png", "bilevel"),
        "4-bit palette": (_png(4, 3), ".png", "palette"),
        "4-bit tiff": (_four_bit_tiff(), ".tif", "^4 bits per sample, not 8"),
        "5-bit bmp": (_five_bit_bmp(), ".bmp", "^5 bits per sample, not 8"),
        "ppm up to 100": (b"P6 2 1 100\n" + bytes(6), ".ppm", "samples up to 100, not 255"),
        "pgm up to 254": (b"P5 2 1 254\n" + bytes(2), ".pgm", "samples up to 254, not 255"),
        "pbm": (b"P4 8 1\n" + bytes(1), ".pbm", "bilevel"),
        "giant": (_png(8, 0, 20_000, 20_000), ".png", "more than 178 megapixels.*into tiles"),
        "psd": (_psd(), ".psd", "PSD inside, no kind that is read; convert it to PNG"),
        "raw photograph": (b"II*\0" + bytes(99), ".dng", "convert it to PNG"),
        "16-bit ppm": (b"P6 2 1 65535\n" + bytes(12), ".ppm", "more than 8 bits"),
        "float": (_stored(deep.convert("F"), "tiff"), ".tif", "more than 8 bits|floating-point"),
        "cmyk": (_stored(rgb.convert("CMYK"), "tiff"), ".tif", "CMYK; convert it to RGB"),
        "palette": (_stored(rgb.convert("P"), "png"), ".png", "palette"),
        "bilevel": (_stored(rgb.convert("1"), "png"), ".png", "bilevel"),
        "animated webp": (_stored(frames[0], "webp", **animation), ".webp", "animated"),
        "animated png": (_stored(frames[0], "png", **animation), ".png", "animated"),
        "pages": (_stored(frames[0], "tiff", **animation), ".tif", "2 pages"),
        "lossy webp": (_stored(rgb, "webp", quality=90), ".webp", "already lossily coded"),
        "lossy tiff": (_stored(rgb, "tiff", compression="jpeg"), ".tif", "already lossily coded"),
        "gif": (_stored(rgb.convert("P"), "gif"), ".gif", "palette"),
    }


def _refused_for_what_they_say() -> dict[str, tuple[bytes, str, str]]:
    """Pictures of 8-bit samples that mean other colours or another orientation."""
    rgb = Image.fromarray(_RGB)
    return {
        "wide gamut png": (
            _stored(rgb, "png", icc_profile=_icc(3, 2.2, b"wide")), ".png", "ICC profile 'wide'",
        ),
        "wide gamut webp": (
            _stored(rgb, "webp", lossless=True, icc_profile=_icc(3, 2.2, b"wide")), ".webp",
            "ICC profile 'wide', up to .* levels from sRGB; convert it to sRGB",
        ),
        "wide gamut tiff": (
            _stored(rgb, "tiff", icc_profile=_icc(3, 2.2, b"wide")), ".tif", "ICC profile 'wide'",
        ),
        "linear gray": (
            _stored(rgb.convert("L"), "png", icc_profile=_icc(1, 1.0, b"dots")), ".png",
            "ICC profile 'dots'",
        ),
        "no icc profile": (
            _stored(rgb, "png", icc_profile=b"nothing"), ".png", "its ICC profile cannot be read",
        ),
        "pq": (_with_chunk(b"cICP", bytes((9, 16, 0, 1))), ".png", "primaries 9, transfer 16"),
        "linear": (_with_chunk(b"gAMA", struct.pack(">I", 100000)), ".png", "of gamma 1"),
        "cinema": (
            _with_chunk(b"cHRM", struct.pack(
                ">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)), ".png", "cHRM",
        ),
        "turned png": (
            _stored(rgb, "png", exif=_turned(6)), ".png",
            r"to be turned by 90° \(Exif orientation 6\); turn the samples",
        ),
        "turned late": (_late_exif(), ".png", "orientation 6"),
        "turned by xmp": (
            _with_chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + b'<x tiff:Orientation="6"/>'),
            ".png", "orientation 6",
        ),
        "turned by a profile": (_with_chunk(b"tEXt", _raw_profile()), ".png", "orientation 6"),
        "turned webp": (
            _stored(rgb, "webp", lossless=True, exif=_turned(8)), ".webp", "turned by 270°",
        ),
        "turned tiff": (_stored(rgb, "tiff", tiffinfo={0x0112: 3}), ".tif", "turned by 180°"),
        "lab": (_stored(_lab(), "tiff"), ".tif", "CIE Lab; convert it to RGB"),
    }  # fmt: skip


def _lab() -> Image.Image:
    return Image.fromarray(_RGB, "LAB")


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
    with pytest.raises(DataError, match=f"^thing{suffix}: "):
        input_loader(path)


@pytest.mark.parametrize(
    ("kind", "suffix", "options"),
    [
        ("png", ".png", {"icc_profile": _SRGB}),
        ("webp", ".webp", {"lossless": True, "exif": _turned(1)}),
        ("png", ".png", {"exif": _turned(1)}),
        ("tiff", ".tif", {"tiffinfo": {0x0112: 1}}),
    ],
)  # fmt: skip
def test_marks_that_change_nothing_are_taken(
    kind: str, suffix: str, options: dict[str, object]
) -> None:
    content = _stored(Image.fromarray(_RGB), kind, **options)
    assert np.array_equal(decode_picture(content, suffix), _RGB)


def test_png_chunks_that_say_srgb_are_taken() -> None:
    for name, body in (
        (b"gAMA", struct.pack(">I", 45455)),
        (b"cICP", bytes((1, 13, 0, 1))),
        (b"sRGB", b"\0"),
    ):
        assert np.array_equal(decode_picture(_with_chunk(name, body), ".png"), _RGB), name


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
    assert loader.notes() == (
        f"left out of {tmp_path.name}: readme.txt",
        "1 of 2 pictures cannot be used; each record says why",
    )
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


def _tiff_with_an_empty_page() -> bytes:
    """Its second directory, of the next page, has no tags; found by chance."""
    content = _stored(Image.fromarray(_RGB), "tiff")
    start = int.from_bytes(content[4:8], "little")
    place = start + 2 + 12 * int.from_bytes(content[start : start + 2], "little")
    return content[:place] + len(content).to_bytes(4, "little") + content[place + 4 :] + bytes(6)


def test_a_file_on_which_pillow_itself_fails_is_refused() -> None:
    content = _tiff_with_an_empty_page()
    with pytest.raises(TypeError, match="Missing dimensions"):
        Image.open(io.BytesIO(content)).seek(1)
    with pytest.raises(Refusal, match=r"truncated or corrupt \(Missing dimensions"):
        header_layout(content, ".tif")


def test_a_png_of_fewer_rows_than_it_says_is_refused() -> None:
    """Whose stream is sound: Pillow leaves the rows that are not there black."""
    whole = _stored(Image.fromarray(_RGB), "png")
    height = len(_RGB) + 3
    head = whole[12:20] + height.to_bytes(4, "big") + whole[24:29]
    content = whole[:12] + head + zlib.crc32(head).to_bytes(4, "big") + whole[33:]
    assert not np.asarray(Image.open(io.BytesIO(content)))[-3:].any()
    with pytest.raises(Refusal, match="truncated or corrupt"):
        decode_picture(content, ".png")
    black = _stored(Image.new("RGB", (4, 4)), "png")
    assert not decode_picture(black, ".png").any()
