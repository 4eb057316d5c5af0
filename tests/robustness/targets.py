"""What is handed hostile bytes: every parser of container and header syntax, and the decoder of
every learned codec whose weights are here, each with valid bytes to begin from."""

from __future__ import annotations

import atexit
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from bench.bitstreams import annexb, bpg, containers, leb128, obu, stills, y4m
from bench.cards import CodecCard, Registry, load_registry
from bench.codecs.base import Codec
from bench.codecs.build import build_codec
from bench.codecs.support.framing import join_frames, read_side_info, split_frames
from bench.datasets.container import ContainerFile
from bench.datasets.pictures import decode_picture
from bench.datasets.rawvideo import Y4mFile
from bench.datasets.sources import Refusal
from bench.doctor.patterns import colour_field, numbered_clip
from bench.errors import DataError, Unavailable
from bench.signals import Signal, clip, image, vectors

PARSER, CODEC, FORGED = "parser", "codec", "forged"
"""Kinds of targets; of forged streams the checksums are right."""
_SMALL = {"Cheng2020Anchor": (24,), "Cheng2020Attention": (24,), "ScaleSpaceFlow": ()}
"""Constructor arguments of small networks, where they are not two."""
_BPG = b"BPG\xfb\x20\x00\x10\x10\x00" + bytes(40)


@dataclass(frozen=True, slots=True)
class Target:
    """``read`` takes bytes as they come; ``seeds`` makes what it takes."""

    name: str
    read: Callable[[bytes], object]
    seeds: Callable[[], tuple[bytes, ...]]


def parsers() -> dict[str, Callable[[], Target]]:
    """Every parser by name, made when it is asked for."""
    found: dict[str, Callable[[], Target]] = {}
    for name, read, kind, options in _STILLS:
        found[name] = partial(Target, name, read, partial(_stored, kind, **options))
    for suffix, kind in _SOURCES.items():
        read = partial(_as_data, partial(decode_picture, suffix=suffix))
        found[f"source{suffix}"] = partial(
            Target, f"source{suffix}", read, partial(_stored, kind, lossless=True)
        )
    for name, codec, read in _ELEMENTARY:
        found[name] = partial(Target, name, read, partial(_coded, codec))
    found["ivf"] = partial(Target, "ivf", containers.read_ivf, _ivf)
    found["bpg"] = partial(Target, "bpg", bpg.strip, lambda: (_BPG,))
    found["varints"] = partial(Target, "varints", _varints, lambda: (b"\x01\x81\x01\xff\xff\x03",))
    found["frames"] = partial(Target, "frames", split_frames, _framed)
    found["side-info"] = partial(Target, "side-info", read_side_info, _framed)
    found["y4m"] = partial(Target, "y4m", _read_y4m, _y4m)
    found["source.y4m"] = partial(Target, "source.y4m", partial(_as_file, Y4mFile, ".y4m"), _y4m)
    for suffix in (".mp4", ".mkv", ".avi"):
        name = f"source{suffix}"
        found[name] = partial(
            Target, name, partial(_as_file, ContainerFile, suffix), partial(_video, suffix)
        )
    return found


def learned(registry: Registry) -> list[CodecCard]:
    """Cards of networks, or that come with weights, each decoder once: cards of one architecture
    differ in their weights."""
    found: dict[str, CodecCard] = {}
    for card in map(registry.codec, sorted(registry.codecs)):
        if "gpu" in card.resources or (card.folder / "weights" / card.id).is_dir():
            found.setdefault(str(card.settings.get("model", card.id)), card)
    return list(found.values())


def target(kind: str, name: str) -> Target:
    """A parser, or the decoder of a codec. Raises Unavailable where its weights are missing."""
    if kind == PARSER:
        return parsers()[name]()
    card = load_registry().codec(name)
    codec = build_codec(card)
    try:
        codec.check_available()
    except Unavailable:
        if "model" not in card.settings:
            raise
        card = untrained(card)
        codec = build_codec(card)
        codec.check_available()
    return Target(
        name, lambda payload: codec.decode(payload).array(), partial(payloads, card, codec)
    )


def untrained(card: CodecCard) -> CodecCard:
    """The card with a small random network of its architecture in place of weights that are not
    here: what its decoder does with hostile streams hardly depends on them."""
    import torch

    from bench.codecs.foreign.network import find

    model = str(card.settings["model"])
    torch.manual_seed(1)
    network = find(model)(*_SMALL.get(model.partition(":")[2], (8, 32)))
    folder = Path(tempfile.mkdtemp(prefix="bench-untrained-"))
    atexit.register(shutil.rmtree, folder)
    torch.save(network.state_dict(), folder / f"{card.ladder[0].value}.pth")
    settings = {**card.settings, "weights": str(folder / f"{{{card.rate_key}}}.pth")}
    return replace(card, settings=settings, ladder=card.ladder[:1])


def payloads(card: CodecCard, codec: Codec) -> tuple[bytes, ...]:
    """Streams of the first signal that the codec takes, at its first and last points."""
    ladder = card.ladder
    for signal in _signals():
        if codec.refusal(signal.layout) is None and signal.layout.media in card.media:
            ends = dict.fromkeys((ladder[0], ladder[-1]))
            return tuple(codec.encode(signal, point).payload for point in ends)
    raise Unavailable(f"{card.id}: takes none of the signals that are tried")


def _signals() -> Iterator[Signal]:
    yield image(colour_field(1, 64, 64))
    yield image(colour_field(1, 32, 32))
    yield clip(numbered_clip(8)[:, :64, :64])
    yield clip(numbered_clip(20)[:, :64, :64].mean(-1).astype(np.uint8))
    yield clip(numbered_clip(16)[:, :64, :64])
    normal = np.random.default_rng(1).normal
    for length in (1000, 100):
        yield vectors(normal(size=(20, length)))


def _stored(kind: str, **options: object) -> tuple[bytes, ...]:
    """A colour and a gray picture in a still format."""
    files = []
    for pixels in (colour_field(1, 24, 32), colour_field(2, 9, 7)[..., 0]):
        stream = io.BytesIO()
        exif = {"exif": _exif()} if kind in ("jpeg", "png", "webp") else {}
        Image.fromarray(pixels).save(stream, kind, **exif, **options)
        files.append(stream.getvalue())
    return tuple(files)


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "a description"
    return exif.tobytes()


def _coded(name: str) -> tuple[bytes, ...]:
    """Elementary streams of a clip by one of the codecs here, as its stripper leaves them."""
    card = load_registry().codec(name)
    codec = build_codec(card)
    codec.check_available()
    point = card.ladder[-1]
    return tuple(codec.encode(signal, point).payload for signal in _clips())


def _clips() -> tuple[Signal, ...]:
    return clip(numbered_clip(3)), image(colour_field(1))


def _ivf() -> tuple[bytes, ...]:
    return (containers.write_ivf([b"one frame", b"another"], b"VP90", 16, 16),)


def _framed() -> tuple[bytes, ...]:
    payload, _ = join_frames([b"first frame", b"second", b"third frame"])
    return (payload,)


def _varints(data: bytes) -> object:
    return leb128.read_varints(data, 0, 3)


def _y4m() -> tuple[bytes, ...]:
    head = b"YUV4MPEG2 W16 H8 F25:1 Ip A1:1 C420jpeg\n"
    return (head + (b"FRAME\n" + bytes(192)) * 2, b"YUV4MPEG2 W4 H4 Cmono\nFRAME\n" + bytes(16))


def _read_y4m(data: bytes) -> None:
    file = io.BytesIO(data)
    y4m.read_header(file)
    y4m.read_marker(file)


def _video(suffix: str) -> tuple[bytes, ...]:
    """A small video file of this kind."""
    import av

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"clip{suffix}")
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for pixels in numbered_clip(3):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return (path.read_bytes(),)


def _as_file(source: Callable[[Path], ContainerFile | Y4mFile], suffix: str, data: bytes) -> None:
    """Reads a source file's layout and frames as a run does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"source{suffix}")
        path.write_bytes(data)
        _as_data(_read_source, source(path))


def _read_source(source: ContainerFile | Y4mFile) -> None:
    source.layout()
    for _ in source.frames():
        pass


def _as_data(read: Callable[..., object], argument: object) -> object:
    """A refusal counts as the error that it becomes for the user."""
    try:
        return read(argument)
    except Refusal as refusal:
        raise DataError(str(refusal)) from refusal


_STILLS: tuple[tuple[str, Callable[[bytes], object], str, dict[str, object]], ...] = (
    ("jpeg", stills.strip_jpeg, "jpeg", {}),
    ("jpeg2000", stills.strip_jpeg2000, "jpeg2000", {"no_jp2": True}),
    ("png", stills.strip_png, "png", {}),
    ("webp", stills.strip_webp, "webp", {}),
    ("avif", stills.measure_avif, "avif", {}),
)
_SOURCES = {".png": "png", ".tif": "tiff", ".webp": "webp", ".ppm": "ppm", ".bmp": "bmp"}
_ELEMENTARY: tuple[tuple[str, str, Callable[[bytes], object]], ...] = (
    ("h264", "x264-medium", annexb.H264.strip),
    ("hevc", "x265-medium", annexb.H265.strip),
    ("hevc-size", "x265-medium", annexb.picture_size_h265),
    ("vvc", "vvenc", annexb.H266.strip),
    ("av1", "svtav1", obu.AV1.strip),
)
