import torch

from bench.learned.vqvae2.pixelsnail import PixelSnail
from bench.learned.vqvae2.prior import PriorShape


def test_attention_reaches_the_whole_past() -> None:
    torch.manual_seed(0)
    model = PixelSnail(PriorShape(19, 6, False, False), channels=12, blocks=2).double().eval()
    maps = torch.randint(19, (1, 24, 8))
    changed = maps.clone()
    changed[0, 0, 0] = (changed[0, 0, 0] + 1) % 19
    with torch.no_grad():
        moved = (model(maps) - model(changed)).abs().sum(-1)
    # 5 layers of 2 rows reach 5 rows down; only attention reaches the last
    assert moved[0, -1].max() > 0
