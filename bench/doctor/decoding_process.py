"""The process that codes or decodes streams under other circumstances: started with a folder that
holds job.json, it leaves what it finds there. Compares nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bench.cards import Registry, load_registry
from bench.codecs.base import Codec, refusal_of
from bench.codecs.build import build_codec, select
from bench.codecs.compressai_model import CompressAIModel
from bench.codecs.foreign.codec import Apart
from bench.codecs.foreign.host import Answer
from bench.doctor import symbol_trace
from bench.doctor.ladder import photograph
from bench.errors import BenchError, Unavailable
from bench.signals import Signal, clip, image, vectors


def main(folder: Path) -> None:
    """``job.json`` has cards, device, threads, codecs by number, and ``encode``."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    symbol_trace.start()
    registry = load_registry([Path(path) for path in job["cards"]])
    facts = _set_up(job["threads"], bfloat16=job["bfloat16"])
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    for place, spec in enumerate(job["codecs"]):
        try:
            codec = build_codec(select(registry, spec), device=job["device"])
            if isinstance(codec, CompressAIModel) and not codec.card.environment_path:
                codec.apart = _Here(codec.apart)
            if job["encode"]:
                _encode(codec, registry, spec, folder, place)
            stream = folder / f"{place}.bin"
            if stream.is_file():
                _decode(codec, stream.read_bytes(), folder / str(place))
        except Exception as error:  # whatever a codec raises is what is found
            _save(folder / str(place), symbol_trace.taken(), error)


class _Here(Apart):
    """A card's network in this process, which is held to what is tried."""

    def __init__(self, apart: Apart) -> None:
        from bench.codecs.foreign.model_backend import Backend

        super().__init__(apart.card, apart.backend, apart.opening)
        if find_spec("compressai"):
            symbol_trace.trace_compressai()
        self._here = Backend()
        self._here.open(dict(self.opening), [])

    def encoder_with(self, call: str, blobs: Sequence[bytes], **named: object) -> Answer:
        return Answer(*getattr(self._here, call)(named, list(blobs)))

    decoder_with = encoder_with


def _set_up(threads: int, *, bfloat16: bool) -> dict[str, str]:
    """Holds torch to these circumstances; what it computes with."""
    import torch

    torch.set_num_threads(threads)
    if bfloat16:
        torch.set_float32_matmul_precision("medium")
        convolutions = getattr(torch.backends.mkldnn, "conv", None)  # of torch 2.9 and newer
        if convolutions is not None:
            convolutions.fp32_precision = "bf16"
    return {"torch": torch.__version__, "computes": torch.backends.cpu.get_cpu_capability()}


def _encode(codec: Codec, registry: Registry, spec: str, folder: Path, place: int) -> None:
    card = select(registry, spec)
    signal = next((s for s in _signals() if s.layout.media in card.media and
                   refusal_of(codec, s.layout) is None), None)  # fmt: skip
    if signal is None:
        raise Unavailable(f"{spec} codes none of the pictures, clips and vectors tried")
    point = card.ladder[len(card.ladder) // 2]
    encoded = codec.encode(signal, point)
    (folder / f"{place}.bin").write_bytes(encoded.payload)
    told: Mapping[str, Any] = {
        "point": str(point), "bits": 8 * len(encoded.payload), "header": encoded.header_bytes,
        "likelihood": encoded.bits_likelihood or encoded.bits_estimated,
        "media": signal.layout.media, "size": f"{signal.layout.width}×{signal.layout.height}",
    }  # fmt: skip
    (folder / f"{place}.json").write_text(json.dumps(told), encoding="utf-8")


def _signals() -> list[Signal]:
    """A photograph, pieces and clips of it in the sizes that networks take, vectors."""
    pixels = photograph()
    small = pixels[48:80, 80:112]
    gray = pixels[40:104, 60:124, 1]
    moving = np.stack([np.roll(gray, 2 * step, 1) for step in range(20)])
    colour = np.stack([np.roll(pixels[:96, :96], step, 1) for step in range(8)])
    rows = np.random.default_rng(5).standard_normal((50, 100))
    return [image(pixels), image(small), clip(moving), clip(colour), vectors(rows)]


def _decode(codec: Codec, payload: bytes, path: Path) -> None:
    symbol_trace.taken()
    signal = codec.decode(payload)
    with path.with_suffix(".frames").open("wb") as file:
        for frame in signal.frames():
            np.save(file, frame)
    _save(path, symbol_trace.taken(), None)


def _save(path: Path, symbols: Any, error: Exception | None) -> None:
    np.save(path.with_suffix(".symbols.npy"), symbols)
    if error is not None:
        kind = "skipped" if isinstance(error, Unavailable) else type(error).__name__
        words = " ".join(str(error).split())
        text = words if isinstance(error, BenchError) else f"{kind}: {words}"
        said = {"skipped": isinstance(error, Unavailable), "error": text[:300]}
        path.with_suffix(".error").write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # no library may take long over its end
