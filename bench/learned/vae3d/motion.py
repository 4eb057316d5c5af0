"""Small clips with natural motion: windows of training videos, and windows that pan and zoom over
training pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bench.learned.training.data import Pixels, Pool, training_clips, training_images

_VIDEO_SIDE, _PICTURE_SIDE = 256, 288
"""Longest side in memory: windows are then reduced to what a small clip of a whole scene shows."""
_HELD_OUT_FRAMES = 21
_SPEEDS = (0.0, 0.3, 1.0, 3.0)
"""Standard deviations of a pan, in pixels of the small clip per frame."""
_ZOOM = 0.006


@dataclass(frozen=True, slots=True)
class MotionClips:
    """The sources in memory and the hash of their files."""

    videos: tuple[Pixels, ...]
    pictures: tuple[Image.Image, ...]
    digest: str

    @classmethod
    def open(cls, root: Path | None, *, size: int) -> tuple[MotionClips, MotionClips]:
        """The sources for training and the last frames of each video, which are held out; windows
        of ``size`` fit all. DataError where there are none."""
        videos = training_clips(root, longest=_VIDEO_SIDE)
        pictures = training_images(root, longest=_PICTURE_SIDE, shortest=size)
        digest = f"{videos.digest} {pictures.digest}"
        long = [clip for clip in videos.clips if len(clip) > 2 * _HELD_OUT_FRAMES]
        return (
            cls(tuple(clip[:-_HELD_OUT_FRAMES] for clip in long), _opened(pictures), digest),
            cls(tuple(clip[-_HELD_OUT_FRAMES:] for clip in long), (), digest),
        )

    def windows(self, rng: np.random.Generator, count: int, size: int, frames: int) -> Tensor:
        """Random clips, uint8 ``(count, 3, frames, size, size)``: half of videos, half of pictures
        where there are any; mirrored and played backwards at random."""
        found = []
        for index in range(count):
            moving = self.pictures and index % 2
            clip = self._pan(rng, size, frames) if moving else self._window(rng, size, frames)
            clip = clip[::-1] if rng.random() < 0.5 else clip
            found.append(clip[:, :, ::-1] if rng.random() < 0.5 else clip)
        return torch.from_numpy(np.stack(found).transpose(0, 4, 1, 2, 3).copy())

    def _window(self, rng: np.random.Generator, size: int, frames: int) -> Pixels:
        """Seven frames of a video through a window that may be squashed, as a whole scene is when
        it is made square."""
        lengths = np.array([len(video) for video in self.videos], float)
        video = self.videos[rng.choice(len(self.videos), p=lengths / lengths.sum())]
        start = rng.integers(len(video) - frames + 1)
        height, width = video.shape[1:3]
        box_width = rng.uniform(min(size, width), width)
        box_height = rng.uniform(min(size, height), height)
        left, top = rng.uniform(0, width - box_width), rng.uniform(0, height - box_height)
        box = (left, top, left + box_width, top + box_height)
        images = (Image.fromarray(frame) for frame in video[start : start + frames])
        return np.stack([_reduced(image, box, size) for image in images])

    def _pan(self, rng: np.random.Generator, size: int, frames: int) -> Pixels:
        """A window that pans and zooms over a picture at a steady speed, within its border."""
        picture = self.pictures[rng.integers(len(self.pictures))]
        side = rng.uniform(size, min(2 * size, *picture.size))
        speed = rng.normal(0, rng.choice(_SPEEDS), 2) * side / size
        zoom = rng.normal(0, _ZOOM)
        centre = np.array([rng.uniform(side / 2, length - side / 2) for length in picture.size])
        clip = []
        for time in np.arange(frames) - (frames - 1) / 2:
            half = min(side * np.exp(zoom * time), *picture.size) / 2
            x, y = (
                float(np.clip(place, half, length - half))
                for place, length in zip(centre + speed * time, picture.size, strict=True)
            )
            clip.append(_reduced(picture, (x - half, y - half, x + half, y + half), size))
        return np.stack(clip)


def _opened(pictures: Pool) -> tuple[Image.Image, ...]:
    return tuple(Image.fromarray(clip[0]) for clip in pictures.clips)


def _reduced(image: Image.Image, box: Sequence[float], size: int) -> Pixels:
    left, top, right, bottom = box
    # rounding may push an edge out by less than Pillow forgives
    inside = (max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height))
    reduced = image.resize((size, size), Image.Resampling.LANCZOS, box=inside)
    return np.asarray(reduced, np.uint8)
