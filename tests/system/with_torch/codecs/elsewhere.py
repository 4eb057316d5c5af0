"""Decodes payloads as another machine would: started by tests with other instruction sets."""

import sys
from pathlib import Path

import numpy as np

from bench.cards import load_registry
from bench.codecs.build import build_codec, select

ARITHMETICS = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    },
    "sse4": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    },
}
"""What PyTorch, MKL and oneDNN are held to. A machine without AVX2 is always the second."""


def decode_all(folder: Path) -> None:
    """Decodes each ``N.bin`` by the codec that ``N.txt`` names, to ``N.npy``."""
    registry = load_registry()
    for path in sorted(folder.glob("*.bin")):
        codec = build_codec(select(registry, path.with_suffix(".txt").read_text()))
        np.save(path.with_suffix(".npy"), codec.decode(path.read_bytes()).array())


if __name__ == "__main__":
    decode_all(Path(sys.argv[1]))
