"""Golden streams of the exact codecs: a change of coded output is a breaking change, and another
machine that decodes something else is a defect."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.cards import load_registry, read_codec
from bench.codecs.support import weights
from bench.entropy.context import StepDecoder, encode_steps, probabilities
from bench.learned.qcae_rd.codec import QcaeRd
from bench.learned.qcae_rd.network import ConditionalAutoencoder
from bench.learned.shared.latent_context import LatentContext, group_of, past_frames
from tests.system.with_torch.codecs.golden import float64_tables

pytestmark = pytest.mark.usefixtures("one_thread")

# written by this codec with the weights below: four frames of 16×16 at quality 5, two layers told
# apart
PAYLOAD = (
    "b3a5271ae7411010046b53e61cb571b502387830ad18324e8d9a4c131f155880fbb19acb5f9f922178532e425b7ed5"
    "b824eb7f7aa1e82b8294219a8406d253fc51728973c7f251fedb4aa72498"
)
PIXELS = "ccde607f2de03b9676f6585058e709c7"
STREAM = "6b3d2abcc50eff662d77a7eef867bbb6"


def fill(model: torch.nn.Module, scale: float) -> None:
    """Weights by integer arithmetic, the same with every version of torch: multiples of 2⁻¹⁰."""
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if name == "log_gain":
                parameter.fill_(1.0)
                continue
            place = np.arange(parameter.numel(), dtype=np.uint64) + np.uint64(len(name))
            noise = (place * np.uint64(2654435761) % np.uint64(4096)).astype(np.float64) / 2048 - 1
            values = np.rint(noise * scale * 1024) / 1024
            parameter.copy_(torch.from_numpy(values).view_as(parameter))


def codec(folder: Path) -> QcaeRd:
    path = folder / "qcae-rd.toml"
    path.write_text(load_registry().codecs["qcae-rd"].read_text())
    card = read_codec(path)
    model = ConditionalAutoencoder()
    fill(model, 0.06)
    with float64_tables(model):
        model.finalise()
    folder = weights.weights_path(card).parent
    weights.save_weights(folder, "qcae-rd", weights.MODEL, model.state_dict(), precision="float32")
    return QcaeRd(card)


def test_a_golden_payload_decodes_to_the_same_pixels_everywhere(tmp_path: Path) -> None:
    decoded = codec(tmp_path).decode(bytes.fromhex(PAYLOAD)).array()
    assert decoded.shape == (4, 16, 16)
    assert decoded.std() > 5
    assert hashlib.sha256(decoded.tobytes()).hexdigest()[:32] == PIXELS


@torch.no_grad()
def test_the_context_model_writes_a_golden_stream() -> None:
    model = LatentContext((2, 8), 2, width=16).eval()
    fill(model, 0.3)
    indices = torch.from_numpy(np.arange(2 * 4 * 6 * 6).reshape(2, 4, 6, 6) * 5 // 7 % 8)
    values = torch.linspace(-1, 1, 8, dtype=torch.float64)[indices]
    features, here = model.features(past_frames(values), 1), values.transpose(0, 1)
    groups = group_of(2, 6, 6)
    steps = []
    for time in range(4):
        for group in range(model.groups):
            logits = model.logits(features, here, group, 1)[time].numpy()
            steps.append((probabilities(logits), indices[:, time][groups == group].numpy()))
    stream = encode_steps(steps)
    assert hashlib.sha256(stream).hexdigest()[:32] == STREAM
    decoder = StepDecoder(stream)
    for shares, symbols in steps:
        assert np.array_equal(decoder.decode(shares), symbols)
