"""Training data of every kind, drawn: small pictures, a video, CIFAR batches, rings and bars."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from scenes import scene

from bench.learned.training.digits import MovingDigits


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: 20 pictures, a video whose scene moves left, and 1,200 CIFAR pictures."""
    root = tmp_path_factory.mktemp("drawn")
    for name in ("video", "images"):
        (root / "train" / name).mkdir(parents=True)
    for index in range(20):
        picture = Image.fromarray(scene(index, 290, 280))
        picture.save(root / "train" / "images" / f"{index:02d}.png")
    with av.open(str(root / "train" / "video" / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, bit_rate=4_000_000)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for time in range(60):
            frame = av.VideoFrame.from_ndarray(np.roll(scene(9), -2 * time, 1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    rng = np.random.default_rng(0)
    smooth = np.cumsum(rng.normal(0, 6, (1200, 3, 32, 32)), axis=3) + 128
    pixels = np.clip(smooth, 0, 255).astype(np.uint8).reshape(1200, -1)
    records = np.concatenate([np.zeros((1200, 1), np.uint8), pixels], axis=1)
    (root / "cifar-10-batches-bin").mkdir()
    (root / "cifar-10-batches-bin" / "data_batch_1.bin").write_bytes(records.tobytes())
    return root


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Plots of loss curves, which take longer than small trainings, are noted instead of drawn."""
    paths: list[Path] = []
    monkeypatch.setattr(
        "bench.learned.training.curve.plot_curve", lambda path, _: paths.append(path)
    )
    return paths


@pytest.fixture
def drawn_digits(monkeypatch: pytest.MonkeyPatch) -> MovingDigits:
    """Rings and bars in the place of MNIST."""
    y, x = np.mgrid[-14:14, -14:14]
    ring = 255 * (np.abs(np.hypot(x, y) - 8) < 2)
    bar = 255 * (np.abs(x + y // 3) < 3) * (np.abs(y) < 11)
    digits = MovingDigits(np.stack([ring, bar]).astype(np.uint8), "drawn")
    monkeypatch.setattr(MovingDigits, "open", classmethod(lambda cls, *_, **__: digits))
    return digits
