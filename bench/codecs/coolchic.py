"""Cool-chic through its own scripts: a network fitted to each picture and sent with it.

Runs the encoder and decoder in processes of their own; holds none of their code.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bench.bitstreams import Stripped
from bench.codecs.base import Allowed, Choice, Encoded, Range
from bench.codecs.support import exchange
from bench.codecs.support.programs import Package, written
from bench.codecs.support.still import StillCodec
from bench.codecs.support.template import Template, first_line, program_hash
from bench.errors import BitstreamError, Unavailable
from bench.machine import device_kind
from bench.records import Point
from bench.signals import Frame, Layout, Signal, image

if TYPE_CHECKING:
    from bench.cards import CodecCard

_PACKAGE = Package(
    "Cool-chic", "5.0.1", "BSD licence", "https://github.com/Orange-OpenSource/Cool-Chic",
    "BENCH_COOLCHIC",
)  # fmt: skip
_ENCODER, _DECODER = "cc_encode.py", "cc_decode.py"
_FEWEST_ITERATIONS = 2000
"""What the program's preset for pictures takes at least."""
_ANOTHER_MACHINE = (
    *("OMP_NUM_THREADS=2", "ATEN_CPU_CAPABILITY=avx2"),
    *("MKL_ENABLE_INSTRUCTIONS=AVX2", "ONEDNN_MAX_CPU_ISA=AVX2"),
)
"""Sums in another order: what a processor without AVX-512 computes, on two threads."""
_VERSION = re.compile(r"version (\d[\w.]*)")
_ASK = """
from importlib.metadata import version
from importlib.util import find_spec
names = ["torch", "constriction", "einops", "fvcore", "configargparse"]
missing = [name for name in names if find_spec(name) is None]
print("it has no " + ", ".join(missing) if missing else version("torch"))
"""
"""Imports nothing: that takes torch half a minute on a busy machine."""


class CoolChic(StillCodec):
    """Cool-chic, still pictures; ``lmbda`` weighs rate, ``iterations`` is how long it trains and
    ``decoder`` names a configuration in ``cfg/dec/intra``. ``preset=debug`` is the program's own
    shortest training, 110 iterations whatever ``iterations`` says: for trying out, not for results.

    The scripts run with the interpreter of a ``.venv`` beside them, else with this one, and with
    the packages of a folder ``site`` beside them.
    """

    codes_gray = False
    smallest_side: ClassVar[int] = 32
    ladder_keys = ("lmbda",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "lmbda": Range(1e-6, 10, integer=False),
        "iterations": Range(_FEWEST_ITERATIONS, 1_000_000),
        "preset": Choice(("intra", "debug")),
        "decoder": Choice(("hop", "mop", "lop", "vhop")),
    }

    @classmethod
    def overridden(cls, card: CodecCard) -> Mapping[str, str]:
        settings = card.settings
        unread = settings.get("preset") == "debug" and "iterations" in settings
        return {"iterations": "preset=debug"} if unread else {}

    def refusal(self, layout: Layout) -> str | None:
        if min(layout.width, layout.height) < self.smallest_side:
            return (
                f"{self.card.id} codes pictures of at least {self.smallest_side} pixels a side, "
                f"not {layout.width}x{layout.height}"
            )
        return super().refusal(layout)

    def check_available(self) -> None:
        self.versions()

    def device_kind(self) -> str:
        return device_kind(self.device)

    def versions(self) -> Mapping[str, str]:
        folder = self._folder()
        words = self._python(_ASK, option="-c")
        torch = first_line(words)
        if not re.match(r"\d", torch):
            raise Unavailable(
                f"{self.card.id}: {words[0]} cannot run Cool-chic ({torch}); install what "
                f"{folder / 'requirements.txt'} names, or {_PACKAGE.cure}"
            )
        found = _VERSION.search((folder / _ENCODER).read_text(encoding="utf-8"))
        return {
            "cool-chic": found[1] if found else program_hash(str(folder / _ENCODER)),
            "torch": torch,
            self._configuration().name: program_hash(str(self._configuration())),
        }

    def reads(self) -> tuple[Path, ...]:
        return (self._folder(),)

    def _folder(self) -> Path:
        """The folder of the scripts. Raises Unavailable with what to install."""
        return _PACKAGE.file(self.card.id, _ENCODER).resolve().parent

    def _configuration(self) -> Path:
        name = self.settings.get("decoder", "hop")
        path = self._folder() / "cfg" / "dec" / "intra" / f"{name}.cfg"
        if not path.is_file():
            raise Unavailable(f"{self.card.id}: Cool-chic has no configuration {path}")
        return path

    def _python(
        self, script: str, *arguments: str, option: str | None = None, added: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        """The command of a script in one thread, or with what ``added`` sets; packages in ``site``
        come first."""
        folder = self._folder()
        own = folder / ".venv" / "bin" / "python"
        python = str(own) if own.is_file() else sys.executable
        env = shutil.which("env") or "env"
        settings = ["OMP_NUM_THREADS=1", f"PYTHONPATH={folder / 'site'}", "PYTHONWARNINGS=ignore"]
        # else its messages come after the error that ended it, which a reason would leave out
        settings.append("PYTHONUNBUFFERED=1")
        if self.device == "cpu":
            settings.append("CUDA_VISIBLE_DEVICES=")
        return (env, *settings, *added, python, *([option] if option else []), script, *arguments)

    def encode(self, signal: Signal, point: Point) -> Encoded:
        return replace(super().encode(signal, point), header_bytes=None)

    def encode_picture(self, pixels: Frame, point: Point) -> Stripped:
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., np.newaxis], 3, axis=2)
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            exchange.write_picture(folder / "input.png", pixels)
            said = self._run(
                folder,
                *(_ENCODER, "-i", str(folder / "input.png"), "-o", str(folder / "coded.cool")),
                *("--workdir", str(folder), "--lmbda", f"{float(point.value):.10g}"),
                *("--n_itr", str(self.settings.get("iterations", 10000))),
                *("--dec_cfg_residue", str(self._configuration())),
                *(("--debug",) if self.settings.get("preset") == "debug" else ()),
            )
            coded = written(folder / "coded.cool", f"{self.card.id}: the encoder", "file", said)
            return Stripped(coded.read_bytes(), 0, 0)

    def decode_elsewhere(self, payload: bytes) -> Signal:
        """``decode`` with the instructions and threads of another machine, which must read the same
        symbols: probabilities come from a network."""
        return image(self.decode_picture(payload, *_ANOTHER_MACHINE))

    def decode_picture(self, file: bytes, *added: str) -> Frame:
        """The picture of a file, with further environment variables as ``NAME=value``."""
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            (folder / "coded.cool").write_bytes(file)
            said = self._run(
                folder,
                *(_DECODER, "-i", str(folder / "coded.cool"), "-o", str(folder / "output.png")),
                added=added,
            )
            who, output = f"{self.card.id}: the decoder", folder / "output.png"
            return exchange.read_picture(written(output, who, "picture", said, BitstreamError))

    def _run(self, folder: Path, script: str, *arguments: str, added: tuple[str, ...] = ()) -> str:
        words = self._python(str(self._folder() / script), *arguments, added=added)
        return Template(self.card.id, words).run({}, folder)
