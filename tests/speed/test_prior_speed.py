"""Cached incremental decoding against a full forward pass for every position, side by side."""

import time

import numpy as np
import pytest
import torch

from bench.entropy.prior import MapDecoder, MapEncoder
from bench.learned.vqvae2.blocktransformer import BlockTransformer
from bench.learned.vqvae2.pixelsnail import PixelSnail
from bench.learned.vqvae2.prior import PriorShape

SIZE = (1, 32, 32)


@pytest.mark.parametrize("network", [PixelSnail, BlockTransformer])
@pytest.mark.parametrize("conditional", [False, True])
def test_cached_decoding_is_twenty_times_faster(network: type, conditional: bool) -> None:
    torch.manual_seed(0)
    model = network(PriorShape(512, 64, vectors=False, conditional=conditional)).double().eval()
    maps = np.random.default_rng(0).integers(0, 512, SIZE)
    above = torch.from_numpy(maps[:, ::2, ::2].copy()) if conditional else None
    encoder = MapEncoder()
    encoder.encode(model.stepper(SIZE, above), maps)
    stream = encoder.finish()
    seconds = []
    for _ in range(3):
        start = time.process_time()
        decoded = MapDecoder(stream).decode(model.stepper(SIZE, above), SIZE)
        seconds.append(time.process_time() - start)
    np.testing.assert_array_equal(decoded, maps)
    cached = min(seconds)
    tensor, passes = torch.from_numpy(maps), []
    with torch.no_grad():
        for _ in range(4):
            start = time.process_time()
            model(tensor, above)
            passes.append(time.process_time() - start)
    groups = len(model.stepper(SIZE, above).order)
    naive, grouped = (min(passes) * count for count in (32 * 32, groups))
    print(
        f"{network.__name__}: cached {cached:.3f} s; full passes: {naive:.1f} s for one at each "
        f"position ({naive / cached:.0f}×), {grouped:.1f} s at each of {groups} groups "
        f"({grouped / cached:.0f}×)"
    )
    assert naive > grouped > 20 * cached
