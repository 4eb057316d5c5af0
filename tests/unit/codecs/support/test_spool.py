import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.codecs.support import exchange, spool, stopwatch
from bench.codecs.support.planes import PlaneFormat
from bench.engine.timing import timed
from bench.errors import BitstreamError, CodecError
from bench.signals import RGB, Layout, clip

PIECES = [b"abc", b"", b"defgh", bytes(100_000)]


@pytest.mark.parametrize("memory_bytes", [4, 10**6])
def test_pieces_come_back_as_they_were(memory_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MEMORY_BYTES", memory_bytes)
    asked = []

    def pieces() -> Iterator[bytes]:
        for piece in PIECES:
            asked.append(piece)
            yield piece

    kept = spool.spooled(pieces())
    assert asked == PIECES  # before anything is read
    assert list(kept) == PIECES


def test_what_the_source_raises_is_raised_and_no_space_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> Iterator[bytes]:
        yield b"abc"
        raise OSError("the clip cannot be read on")

    with pytest.raises(OSError, match="cannot be read on"):
        spool.spooled(broken())

    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool.tempfile, "SpooledTemporaryFile", lambda size: Full())
    with pytest.raises(CodecError, match="No space left on device; free space there or set TMPDIR"):
        spool.spooled([b"abc"])


@pytest.mark.parametrize("memory_bytes", [1 << 20, 150, 0])
def test_frames_come_back_in_order_as_often_as_asked(
    memory_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MEMORY_BYTES", memory_bytes)
    frames = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
    signal = spool.kept(iter(frames), Layout("video", RGB, 5, 4))
    assert signal.layout.frames == 6
    assert (signal.array() == frames).all()
    both = list(zip(signal.frames(), signal.frames(), strict=True))
    assert all((a == b).all() for a, b in both)


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(BitstreamError, match=r"frame 1 is \(4, 4, 3\)"):
        spool.kept([np.zeros((4, 5, 3)), np.zeros((4, 4, 3))], Layout("video", RGB, 5, 4))


def test_a_mapped_file_outlives_its_name(tmp_path: Path) -> None:
    path = tmp_path / "samples"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        data = spool.mapped(file)
    path.unlink()
    assert bytes(data[2:5]) == b"234"
    path.write_bytes(b"")
    with path.open("rb") as file:
        assert bytes(spool.mapped(file)) == b""


def test_of_a_long_file_one_piece_is_resident(tmp_path: Path) -> None:
    """VmRSS counts what of a mapped file is in this process, RssFile that alone (proc(5))."""

    def resident_bytes() -> int:
        (line,) = [one for one in Path("/proc/self/status").read_text().splitlines()
                   if one.startswith("RssFile:")]  # fmt: skip
        return int(line.split()[1]) << 10

    size, count, path = 1_000_000, 32, tmp_path / "samples"
    path.write_bytes(b"".join(bytes([number]) * size for number in range(count)))
    with path.open("rb") as file:
        data = spool.mapped(file)
    before, grown, kept = resident_bytes(), 0, []
    for piece in spool.pieces_of(data, range(0, len(data), size), size):
        kept.append((piece, sum(piece[::4096])))
        grown = max(grown, resident_bytes() - before)
    assert grown < 12 * size  # the system maps up to 4 MB around what is touched
    assert [int(piece[-1]) for piece, _ in kept] == list(range(count))


def test_files_for_programs_are_written_and_read_outside_of_what_is_timed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a clock that stands still but for the file: pictures and clips alike."""
    seconds = [0.0]

    def slow(call: Any) -> Any:
        def slowed(*words: Any, **named: Any) -> Any:
            seconds[0] += 100
            return call(*words, **named)

        return slowed

    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: seconds[0])
    for name in ("write_planes", "decoded_signal", "depth_refusal"):
        monkeypatch.setattr(exchange, name, slow(getattr(exchange, name)))
    monkeypatch.setattr(exchange.Image, "fromarray", slow(exchange.Image.fromarray))
    pixels = np.random.default_rng(1).integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)
    coded, layout = PlaneFormat("420", 8, 8, 6), Layout("video", RGB, 8, 6)
    clips, picture = tmp_path / "clip.y4m", tmp_path / "picture.png"
    for call in (
        lambda: exchange.write_video(clips, clip(pixels), coded),
        lambda: exchange.read_video(clips, layout, coded),
        lambda: exchange.write_picture(picture, pixels[0]),
        lambda: exchange.read_picture(picture),
    ):
        before = seconds[0]
        assert timed(call)[1].wall_seconds == pytest.approx(0, abs=1e-6)
        assert seconds[0] > before
