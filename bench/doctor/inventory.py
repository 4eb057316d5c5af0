"""What is on this machine: libraries, ffmpeg's features, codecs, weights, devices, disk, data.

Every line that lacks something says the command that cures it. Installs and changes nothing.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench.cards import CodecCard, Registry
from bench.codecs.build import build_codec
from bench.codecs.foreign.loader import open_dataset
from bench.datasets.base import DataOptions
from bench.errors import BenchError
from bench.metrics import loops
from bench.processes import isolation
from bench.results.run_info import shortened

_FFMPEG_FEATURES = {
    "libx264": "encoders",
    "libx265": "encoders",
    "libsvtav1": "encoders",
    "libvpx-vp9": "encoders",
    "libvvenc": "encoders",
    "ffv1": "encoders",
    "libvmaf": "filters",
    "xpsnr": "filters",
}
_FREE_BYTES = 2 << 30
_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing looked for: what was found, or what is missing and how to get it."""

    section: str
    name: str
    found: str
    cure: str | None = None


def take_inventory(registry: Registry, data: Path | None) -> Iterator[Entry]:
    """Everything that a run may need, in the order in which it is printed."""
    yield from _libraries()
    yield from _ffmpeg()
    for name in sorted(registry.codecs):
        yield _codec(registry.codec(name))
    yield from _devices()
    yield _isolation()
    yield from _disk()
    for name in sorted(registry.datasets):
        yield _dataset(registry, name, data)


def _libraries() -> Iterator[Entry]:
    from bench.machine import library_versions

    yield Entry("libraries", "python", platform.python_version())
    for name, version in library_versions().items():
        yield Entry("libraries", name, version)
    for name in ("dask", "distributed"):
        if find_spec(name) is None:
            cure = "only for --cluster: pip install 'bench-rd[cluster]'"
            yield Entry("libraries", name, "not installed", cure)
    if loops.is_compiled():
        yield Entry("libraries", "loops of SSIM", "compiled")
    else:
        cure = "only slower: install a C compiler, then bench-rd again"
        yield Entry("libraries", "loops of SSIM", "OpenCV's filters", cure)


def _ffmpeg() -> Iterator[Entry]:
    from bench.codecs.support.ffmpeg_binary import find_ffmpeg

    try:
        binary = find_ffmpeg()
        listings = {
            kind: _output(binary, f"-{kind}") for kind in ("version", "encoders", "filters")
        }
    except (BenchError, OSError, subprocess.SubprocessError) as error:
        yield Entry("ffmpeg", "binary", str(error), "pip install imageio-ffmpeg")
        return
    yield Entry("ffmpeg", "binary", f"{binary}, {listings['version'].split(' Copyright')[0]}")
    for name, kind in _FFMPEG_FEATURES.items():
        there = f" {name} " in listings[kind]
        cure = None if there else f"set BENCH_FFMPEG to an ffmpeg built with {name}"
        yield Entry("ffmpeg", name, "yes" if there else "missing", cure)


def _output(binary: str, option: str) -> str:
    done = subprocess.run(
        [binary, "-hide_banner", option], capture_output=True, text=True, timeout=_SECONDS,
        check=True,
    )  # fmt: skip
    return done.stdout


def _codec(card: CodecCard) -> Entry:
    """A codec's own versions, its weight files among them."""
    try:
        codec = build_codec(card)
        codec.check_available()
        versions = codec.versions()
    except BenchError as error:
        text, _, cure = str(error).partition("; ")
        return Entry("codecs", card.id, text, cure or "see the message")
    words = [f"{name} {shortened(version)}" for name, version in versions.items()]
    return Entry("codecs", card.id, ", ".join(words) or "available")


def _devices() -> Iterator[Entry]:
    import torch

    yield Entry("devices", "cpu", f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()}")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(index)
            yield Entry("devices", f"cuda:{index}", f"{facts.name}, {facts.total_memory >> 20} MiB")
    else:
        yield Entry("devices", "cuda", f"none seen by torch {torch.__version__}")


def _isolation() -> Entry:
    """Whether decoders can be kept from the originals here."""
    found = isolation.describe()
    cure = None
    if found != isolation.ISOLATED:
        cure = (
            "verdicts say so; isolation needs Linux 5.13 with Landlock, and namespaces (in a "
            "container: allow unshare, mount and landlock; on Ubuntu: "
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0)"
        )
    return Entry("isolation", "decoders", found, cure)


def _disk() -> Iterator[Entry]:
    from bench.datasets.locate import cache_folder

    places = {"temporary": Path(tempfile.gettempdir()), "results": Path.cwd()}
    places["cache"] = next(p for p in (cache_folder(), *cache_folder().parents) if p.exists())
    for name, path in places.items():
        free = shutil.disk_usage(path).free
        cure = None if free > _FREE_BYTES else f"free space in {path} or choose another folder"
        if not os.access(path, os.W_OK):
            cure = f"{path} cannot be written; choose another folder"
        yield Entry("disk", name, f"{path}: {free / 2**30:.1f} GiB free", cure)


def _dataset(registry: Registry, name: str, data: Path | None) -> Entry:
    card = registry.dataset(name)
    try:
        settings = dict(card.settings)
        items = open_dataset(card, settings, DataOptions(data)).items()
    except BenchError as error:
        text, _, cure = str(error).partition("; ")
        return Entry("data", name, text, cure or "see the message")
    bad = sum(item.problem is not None for item in items)
    return Entry("data", name, f"{len(items)} items" + (f", {bad} unusable" if bad else ""))
