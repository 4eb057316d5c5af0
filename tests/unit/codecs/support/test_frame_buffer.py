import numpy as np
import pytest

from bench.codecs.support.frame_buffer import FrameBuffer
from bench.errors import CodecError
from bench.signals import RGB, Layout

LAYOUT = Layout("video", RGB, 5, 4)


@pytest.mark.parametrize("memory_bytes", [1 << 20, 150, 0])
def test_frames_come_back_in_order_as_often_as_asked(memory_bytes: int) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
    buffer = FrameBuffer(LAYOUT, memory_bytes=memory_bytes)
    buffer.extend(frames)
    signal = buffer.signal()
    del buffer
    assert signal.layout.frames == 6
    assert (signal.array() == frames).all()
    both = list(zip(signal.frames(), signal.frames(), strict=True))
    assert all((a == b).all() for a, b in both)


def test_a_frame_of_another_size_is_refused() -> None:
    buffer = FrameBuffer(LAYOUT)
    with pytest.raises(CodecError, match=r"frame 0 is \(4, 4, 3\)"):
        buffer.append(np.zeros((4, 4, 3), np.uint8))
