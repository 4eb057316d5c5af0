"""What decodes as an older processor would, beside the process that proves a stream."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.cards import load_registry
from bench.codecs.build import build_codec
from bench.engine import elsewhere
from bench.errors import BitstreamError
from bench.machine import INSTRUCTION_SETS, older_instructions
from bench.records import Point
from bench.signals import Signal, image


class _Held:
    """Decodes to the number of the payload, and another one on a processor that is held back."""

    def decode_elsewhere(self, payload: bytes) -> Signal | None:
        held = os.environ.get("ATEN_CPU_CAPABILITY") in ("avx2", "default")
        if payload == b"refused":
            raise BitstreamError("checksum")
        return None if payload == b"same" else image(np.full((2, 3), payload[0] + held, np.uint8))


def test_a_fork_decodes_with_older_instructions_and_this_process_keeps_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(elsewhere, "may_differ", lambda *_: True)
    monkeypatch.setattr(elsewhere, "build_codec", lambda *_: _Held())
    before = dict(os.environ)
    card = load_registry().codec("none")
    payloads = [bytes([7]), b"refused", b"same"]
    found = elsewhere.decode_on_older_processor(card, "cpu", payloads, (), tmp_path)
    assert dict(os.environ) == before
    assert found[1:] == [elsewhere.Elsewhere(error="BitstreamError: checksum"),
                         elsewhere.Elsewhere()]  # fmt: skip
    assert found[0].frames is not None
    (frame,) = elsewhere.frames_of(found[0].frames)
    assert frame.tolist() == [[8, 8, 8], [8, 8, 8]]


def test_classical_codecs_need_no_other_process(tmp_path: Path) -> None:
    card = load_registry().codec("jpeg")
    assert elsewhere.decode_on_older_processor(card, "cpu", [b"x"], (), tmp_path) == [
        elsewhere.Elsewhere()
    ]


def test_torch_computes_with_the_older_instructions(tmp_path: Path) -> None:
    """Of a learned codec, whose library was loaded and has not computed: the variables still work.
    In a process of its own, since this one may have computed."""
    said = subprocess.run(
        [sys.executable, __file__, str(tmp_path)], capture_output=True, text=True, check=True
    )
    first, second, psnr = said.stdout.split()
    assert first == {"AVX2": "AVX2", "SSE4": "DEFAULT"}[older_instructions()]
    assert second == "False" and float(psnr) > 40
    assert set(INSTRUCTION_SETS) == {"AVX2", "SSE4"}


def _try(folder: Path) -> None:
    import torch

    from bench.engine.agreement import agreement
    from bench.learned.hyperprior import codec as hyperprior

    card = load_registry().codec("hyperprior")
    # not by torch, which looks at the processor once
    steps = np.add.outer(np.arange(64), np.arange(96))[..., np.newaxis] + np.arange(3) * 40
    signal, point = image((steps % 256).astype(np.uint8)), Point("quality", 3)
    coder = os.fork()
    if not coder:
        (folder / "stream").write_bytes(build_codec(card).encode(signal, point).payload)
        os._exit(0)
    os.waitpid(coder, 0)
    stream = (folder / "stream").read_bytes()
    plain = hyperprior.Hyperprior.decode_elsewhere

    def told(self: object, payload: bytes) -> Signal | None:
        print(torch.backends.cpu.get_cpu_capability(), flush=True)
        return plain(self, payload)  # type: ignore[arg-type]

    hyperprior.Hyperprior.decode_elsewhere = told  # type: ignore[method-assign, assignment]
    (other,) = elsewhere.decode_on_older_processor(card, "cpu", [stream], (), folder)
    here = build_codec(card).decode(stream)
    assert other.frames is not None, other.error
    met = agreement(here.layout.format, here.frames(), elsewhere.frames_of(other.frames))
    print(met.kind == "garbage", met.psnr)


if __name__ == "__main__":
    _try(Path(sys.argv[1]))
