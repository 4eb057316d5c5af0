"""The training tasks of the Moving MNIST codecs, a few steps each, from card to coded clip."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.cards import CodecCard, load_registry, read_codec
from bench.codecs.support.weights import read_tensors, save_weights, weights_path
from bench.datasets.moving_mnist import find_digits
from bench.errors import DataError
from bench.learned.qcae.codec import CONTEXT, Qcae
from bench.learned.qcae.network import LADDER, LATENTS, Codebook, QuantisedAutoencoder
from bench.learned.qcae.task import AutoencoderTask, _chances, _fitted, _in_turn
from bench.learned.qcae_rd.codec import QcaeRd
from bench.learned.qcae_rd.task import ConditionalTask, trade_off
from bench.learned.shared.latent_context import LatentContext
from bench.learned.training.digits import MovingDigits
from bench.learned.training.request import TrainRequest, train
from bench.learned.training.settings import read_recipe
from bench.learned.training.task import TrainingContext
from bench.records import Point
from bench.signals import clip

pytestmark = pytest.mark.usefixtures("drawn_digits")


def _card(folder: Path, name: str, *changes: tuple[str, str]) -> CodecCard:
    path = folder / f"{name}.toml"
    text = load_registry().codecs[name].read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return read_codec(path)


def _request(folder: Path, **values: object) -> TrainRequest:
    return TrainRequest(work=folder / "work", threads=1, fresh=True, **values)  # type: ignore[arg-type]


@pytest.mark.nightly
def test_the_shared_network_then_one_of_a_codebook_then_the_context_model(
    tmp_path: Path, drawn_digits: MovingDigits
) -> None:
    shared = _card(tmp_path, "qcae-any", ("clips = 150", "clips = 2"), ("batch = 2", "batch = 1"))
    assert "mse_128" in train(shared, _request(tmp_path, steps=2))
    assert "share_2" in train(shared, _request(tmp_path, steps=2, part=CONTEXT))
    signal = clip(drawn_digits.clips(np.random.default_rng(0), 1, 3)[0, 0].numpy())
    codec = Qcae(shared)
    payload = codec.encode(signal, Point("codes", 16)).payload
    assert codec.decode(payload).array().shape == (3, 64, 64)

    single = _card(tmp_path, "qcae", ("batch = 2", "batch = 1"))
    start = weights_path(shared)
    summary = train(single, _request(tmp_path, steps=1, point="codes=8", start=start))
    assert "mse_8 " in summary and "mse_16" not in summary
    book = LADDER.index(8)
    before, after = read_tensors(start), read_tensors(weights_path(single, "codes=8"))
    assert set(after) == set(QuantisedAutoencoder((8,)).state_dict())
    learned = after["codebooks.0.levels"]
    assert torch.allclose(learned, before[f"codebooks.{book}.levels"], atol=0.01)
    scale = before["encoder_condition.scale"][book]
    assert torch.allclose(after["encoder_condition.scale"][0], scale, atol=0.01)

    start = weights_path(single, "codes=8")
    train(single, _request(tmp_path, steps=1, point="codes=2", start=start))
    found = read_tensors(weights_path(single, "codes=2"))
    assert torch.allclose(found["codebooks.0.levels"], torch.tensor([-0.5, 0.5]), atol=0.01)
    assert torch.allclose(found["from_latent.weight"], after["from_latent.weight"], atol=0.01)


def test_one_network_for_all_starts_as_that_of_one_codebook_and_one_of_it_as_what_it_is() -> None:
    torch.manual_seed(0)
    clips, finest = torch.rand(2, 1, 3, 8, 8), torch.tensor([LADDER.index(128)] * 2)
    only = torch.zeros(2, dtype=torch.long)
    single, shared, other = (QuantisedAutoencoder(codes) for codes in ((128,), LADDER, (8,)))
    with torch.no_grad():
        single.encoder_condition.scale += 0.5
        missing, unknown = shared.load_state_dict(
            _fitted(single.state_dict(), LADDER), strict=False
        )
        assert missing and not unknown
        assert all("codebooks" in name or ".condition." in name for name in missing)
        assert torch.equal(shared(clips, finest).clip, single(clips, only).clip)
        for name, each in shared.named_parameters():
            if "condition" in name:
                each.add_(0.3 * torch.randn_like(each))
        other.load_state_dict(_fitted(shared.state_dict(), (8,)))
        expected = shared(clips, torch.tensor([LADDER.index(8)] * 2)).clip
        assert torch.allclose(other(clips, only).clip, expected, atol=1e-4)
        assert not torch.allclose(shared(clips, finest).clip, expected, atol=1e-2)


def _with_share(folder: Path, share: float) -> CodecCard:
    place = folder / str(share)
    place.mkdir()
    return _card(place, "qcae-any", ("share = 0.43", f"share = {share}"))


def _autoencoder(card: CodecCard) -> AutoencoderTask:
    torch.manual_seed(0)
    return AutoencoderTask(TrainingContext(read_recipe(card), torch.device("cpu")))


@pytest.mark.nightly
def test_bits_beyond_a_share_cost_and_are_not_exported(tmp_path: Path) -> None:
    plain, dear, cheap = (_autoencoder(_with_share(tmp_path, share)) for share in (0, 0.1, 50.0))
    gradients = []
    for task in (plain, dear, cheap):
        task.model.train()
        torch.manual_seed(0)
        batch = task.batch(0, np.random.default_rng(0))
        losses = task.loss(batch, 0)
        torch.autograd.backward(losses.total)
        gradients.append(task.autoencoder.to_latent.weight.grad.clone())
        assert set(losses.parts) == ({"mse"} if task is plain else {"mse", "share"})
        assert set(task.export()) == set(QuantisedAutoencoder(LADDER).state_dict())
    without, beyond, below = gradients
    assert 0 < (below - without).norm() < 0.1 * (beyond - without).norm()
    assert dear.costs is not None and dear.costs.here1.weight.grad is not None
    dear.model.eval()
    with torch.no_grad():
        figures = dear.validate()
    assert {f"share_{codes}" for codes in LADDER} < set(figures)
    assert 0.5 < figures["share_2"] < 2


def test_validation_counts_every_group_of_every_frame_once() -> None:
    turns = list(_in_turn(7))
    looked = [(group, int(time)) for turn in turns for group in turn for time in turn[group]]
    assert sorted(looked) == [(group, time) for group in range(4) for time in range(7)]
    for turn in turns:
        assert sorted(int(time) for times in turn.values() for time in times) == list(range(7))


def test_the_ends_of_the_ladder_are_drawn_thrice_as_often() -> None:
    assert _chances(1).tolist() == [1]
    np.testing.assert_allclose(11 * _chances(7), [3, 1, 1, 1, 1, 1, 3])


def test_the_context_that_learns_beside_starts_as_the_codecs_own(tmp_path: Path) -> None:
    card = _with_share(tmp_path, 0.5)
    torch.manual_seed(3)
    trained = LatentContext(LADDER, LATENTS)
    save_weights(
        weights_path(card).parent, card.id, CONTEXT, trained.state_dict(), precision="float32"
    )
    found = _autoencoder(card).costs
    assert found is not None
    assert torch.equal(found.here1.weight, trained.here1.weight)


@pytest.mark.nightly
def test_the_conditional_codec_learns_and_codes(tmp_path: Path, drawn_digits: MovingDigits) -> None:
    card = _card(tmp_path, "qcae-rd", ("frames = 8", "frames = 2"), ("batch = 4", "batch = 1"))
    assert "bpp_q5" in train(card, _request(tmp_path, steps=2))
    start = weights_path(card)
    train(card, _request(tmp_path, steps=1, start=start))
    signal = clip(drawn_digits.clips(np.random.default_rng(1), 1, 2)[0, 0].numpy())
    codec = QcaeRd(card)
    decoded = codec.decode(codec.encode(signal, Point("quality", 2)).payload)
    assert decoded.array().shape == (2, 64, 64)


def test_the_trade_off_grows_by_the_same_factor() -> None:
    found = trade_off(torch.tensor([1.0, 2.0, 5.0])).tolist()
    assert found == pytest.approx([3e-5, 7.5e-5, 3e-5 * 2.5**4])


def test_codebooks_learn_by_gradients_and_stay_sorted() -> None:
    book = Codebook(4)
    assert book.levels.tolist() == pytest.approx([-0.75, -0.25, 0.25, 0.75])
    y = torch.tensor([-0.9, 0.1, 0.3], requires_grad=True)
    values, indices = book(y)
    assert indices.tolist() == [0, 2, 2]
    torch.autograd.backward(values.square().sum())
    assert book.levels.grad is not None and y.grad is not None
    assert book.levels.grad.tolist() == pytest.approx([-1.5, 0, 1.0, 0])
    assert y.grad.tolist() == pytest.approx([-1.5, 0.5, 0.5])
    with torch.no_grad():
        book.levels.copy_(torch.tensor([0.5, -2.0, 3.0, 0.0]))
    book.project()
    assert book.levels.tolist() == [-1.0, 0.0, 0.5, 1.0]


def test_a_batch_is_quantised_as_each_clip_alone() -> None:
    torch.manual_seed(0)
    model = QuantisedAutoencoder(LADDER)
    y = torch.tanh(2 * torch.randn(len(LADDER), 2, 3, 4, 4))
    which = torch.randperm(len(LADDER))
    values, indices = model._quantise(y, which)
    torch.autograd.backward(values.square().sum())
    together = [book.levels.grad.clone() for book in model.codebooks]
    model.zero_grad()
    for place, book in enumerate(which.tolist()):
        alone, expected = model.codebooks[book](y[place])
        assert torch.equal(values[place], alone) and torch.equal(indices[place], expected)
        torch.autograd.backward(alone.square().sum())
        torch.testing.assert_close(together[book], model.codebooks[book].levels.grad)


def test_weights_of_fewer_qualities_are_continued(tmp_path: Path) -> None:
    """Gains grow by their last step, and what only a beginning needs does not come again."""
    card = _card(tmp_path, "qcae-rd")
    task = ConditionalTask(TrainingContext(read_recipe(card), torch.device("cpu")))
    assert task.learned == 0
    weights = task.export()
    gains = weights["log_gain"]
    steps = torch.arange(gains.shape[1])[None, :, None]
    weights["log_gain"] = (0.5 + 0.25 * steps).expand_as(gains)[:, :3].contiguous()
    task.load(weights)
    torch.testing.assert_close(task.model.log_gain.data, (0.5 + 0.25 * steps).expand_as(gains))
    assert task.learned > 1000


def test_missing_digits_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert find_digits(tmp_path, "train") is None
    with pytest.raises(DataError, match="no MNIST training images"):
        MovingDigits.open(tmp_path)
