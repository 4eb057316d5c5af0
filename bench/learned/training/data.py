"""Training pictures and clips in memory, and random crops from them.

Reads only training folders (``train/images``, ``train/video``, the Vimeo training sequences) under
the data folder. What is measured is refused in them: Kodak pictures by name and content, clips of
the official Vimeo test list and of suites by name.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.cards import load_registry
from bench.datasets.locate import read_list
from bench.datasets.vimeo import TEST_LIST, TRAIN_LIST
from bench.errors import DataError

Pixels = NDArray[np.uint8]
_IMAGES = (".jpg", ".jpeg", ".png")
_VIDEOS = (".mp4", ".mkv", ".webm", ".avi")
_VIMEO = "vimeo_septuplet"
_CLIP = re.compile(r"(?<!\d)(\d{5})[/_-](\d{4})(?:[/_-]im\d\.\w+|\.(?:mp4|mkv|webm|avi))$")
"""A frame or clip of Vimeo-90k, as it lies in the archive or with its folders in its name."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Clips in memory, each uint8 ``(T, H, W, 3)``; a picture is a clip of one frame."""

    clips: tuple[Pixels, ...]
    digest: str
    """sha256 over the names and hashes of the files."""

    def crops(
        self, rng: np.random.Generator, batch: int, size: int, *, frames: int = 1, flip: bool = True
    ) -> Tensor:
        """Random crops, uint8 ``(batch, frames, 3, size, size)``, each clip chosen by its area.

        ``flip`` mirrors half of them left to right.
        """
        fits = [c for c in self.clips if len(c) >= frames and min(c.shape[1:3]) >= size]
        if not fits:
            raise DataError(
                f"no training clip has {frames} frames of {size}×{size}; lower the card's crop size"
            )
        weights = np.array([clip[..., 0].size for clip in fits], float)
        chosen = rng.choice(len(fits), batch, p=weights / weights.sum())
        out = np.empty((batch, frames, size, size, 3), np.uint8)
        for index, which in enumerate(chosen):
            clip = fits[which]
            start = rng.integers(len(clip) - frames + 1)
            top = rng.integers(clip.shape[1] - size + 1)
            left = rng.integers(clip.shape[2] - size + 1)
            crop = clip[start : start + frames, top : top + size, left : left + size]
            out[index] = crop[:, :, ::-1] if flip and rng.random() < 0.5 else crop
        return torch.from_numpy(out.transpose(0, 1, 4, 2, 3).copy())


def data_root(given: Path | None) -> Path:
    """``--data``, else $BENCH_DATA. Raises DataError where there is neither."""
    named = given or (Path(os.environ["BENCH_DATA"]) if os.environ.get("BENCH_DATA") else None)
    if named is None or not named.is_dir():
        raise DataError(
            f"no data folder ({named or '--data and $BENCH_DATA are not set'}); training reads "
            "train/images and train/video in it; give --data DIR"
        )
    return named


def training_images(
    root: Path | None, *, longest: int | None = None, shortest: int = 0, vimeo: bool = False
) -> Pool:
    """All pictures under ``train/images``, shrunk so that the long side is at most ``longest``;
    those whose short side is then below ``shortest`` are left out.

    ``vimeo`` adds the frames of the Vimeo training sequences.
    """
    root = data_root(root)
    paths = _files(root / "train" / "images", _IMAGES)
    if vimeo:
        paths += [path for folder in _vimeo_folders(root) for path in _files(folder, _IMAGES)]
    digest = _digest(root, paths)
    frames = [_read_image(path, longest) for path in paths]
    kept = tuple(frame[np.newaxis] for frame in frames if min(frame.shape[:2]) >= shortest)
    return Pool(kept, digest)


def training_clips(
    root: Path | None, *, longest: int | None = None, stride: int = 1, vimeo: bool = False
) -> Pool:
    """All videos under ``train/video``, every ``stride``-th frame, shrunk to ``longest``.

    ``vimeo`` adds the Vimeo training septuplets, 7 frames each.
    """
    root = data_root(root)
    videos = _files(root / "train" / "video", _VIDEOS)
    septuplets = [_files(f, _IMAGES) for f in _vimeo_folders(root)] if vimeo else []
    digest = _digest(root, [*videos, *(path for frames in septuplets for path in frames)])
    clips = [_read_video(path, longest, stride) for path in videos]
    clips += [np.stack([_read_image(path, longest) for path in frames]) for frames in septuplets]
    return Pool(tuple(clips), digest)


def to_unit(pixels: Tensor) -> Tensor:
    """uint8 to float32 on [0, 1]."""
    return pixels.to(torch.float32) / 255


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    if not paths:
        raise DataError(f"{folder}: no {', '.join(suffixes)} files; put training data there")
    return paths


def held_out(root: Path) -> Mapping[str, str]:
    """Clips of Vimeo-90k that no network may learn from, and who names them: suites, and the
    official test list where it lies in ``root``."""
    suites = load_registry().suites().values()
    # names alone are of Vimeo-90k; other cards tell of each clip its length, too
    found = {clip: f"suite {suite.id}" for suite in suites
             for clip in suite.settings.get("clips", ()) if isinstance(clip, str)}  # fmt: skip
    listing = root / _VIMEO / TEST_LIST
    return found | dict.fromkeys(read_list(listing) if listing.is_file() else (), TEST_LIST)


def _refuse_tested(root: Path, hashes: Mapping[Path, str]) -> None:
    """Raises DataError for a file that suites measure."""
    tested, pictures = held_out(root), _kodak_hashes()
    for path, digest in hashes.items():
        if path.name.startswith("kodim") or digest in pictures:
            raise DataError(f"{path}: a Kodak test picture among the training data; remove it")
        named = _CLIP.search(path.relative_to(root).as_posix())
        clip = f"{named[1]}/{named[2]}" if named else ""
        if clip in tested:
            raise DataError(
                f"{path}: clip {clip} of {tested[clip]} among the training data; remove it"
            )


def _kodak_hashes() -> frozenset[str]:
    files = load_registry().dataset("kodak").files
    return frozenset(file.sha256 for file in files if file.sha256)


def _vimeo_folders(root: Path) -> list[Path]:
    """The septuplets of the official training list that are there; none without the test list,
    whose clips could not be told then."""
    base = root / _VIMEO
    for name in (TRAIN_LIST, TEST_LIST):
        if not (base / name).is_file():
            raise DataError(f"{base}: has no {name}; put it back from the official archive")
    names = read_list(base / TRAIN_LIST)
    folders = [base / "sequences" / name for name in names]
    found = [folder for folder in folders if folder.is_dir()]
    if not found:
        raise DataError(f"{base}/sequences: none of the official training list is there")
    return found


def _shrunk(height: int, width: int, longest: int | None) -> tuple[int, int]:
    if longest is None or max(height, width) <= longest:
        return height, width
    scale = longest / max(height, width)
    return round(height * scale), round(width * scale)


def _read_image(path: Path, longest: int | None) -> Pixels:
    from PIL import Image

    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except OSError as error:
        raise DataError(f"{path}: not a readable picture ({error}); replace it") from error
    height, width = _shrunk(picture.height, picture.width, longest)
    if (width, height) != picture.size:
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.uint8)


def _read_video(path: Path, longest: int | None, stride: int) -> Pixels:
    import av

    frames: list[Pixels] = []
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for index, frame in enumerate(container.decode(video=0)):
            if index % stride == 0:
                height, width = _shrunk(frame.height, frame.width, longest)
                rgb = frame.to_ndarray(
                    format="rgb24", width=width, height=height, interpolation="AREA"
                )
                frames.append(rgb.astype(np.uint8, copy=False))
    return np.stack(frames)


def _digest(root: Path, paths: Iterable[Path]) -> str:
    """Of the names and hashes of files that may be learned from. Raises DataError for others."""
    hashes = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    _refuse_tested(root, hashes)
    whole = hashlib.sha256()
    for path, digest in hashes.items():
        whole.update(f"{path.relative_to(root).as_posix()}\0".encode())
        whole.update(bytes.fromhex(digest))
    return whole.hexdigest()
