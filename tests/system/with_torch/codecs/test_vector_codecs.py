"""Codecs of real vectors: the figures they must reach, exact accounting, damaged streams."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.bounds import bound_of
from bench.cards import load_registry
from bench.codecs.base import Codec
from bench.codecs.build import build_codec, select
from bench.datasets.synthetic import TEST_SEED, draw
from bench.entropy.trellis import read_designs
from bench.errors import BitstreamError, CardError, CodecError, UsageError
from bench.records import Point
from bench.signals import Signal, clip, vectors

SPECS = [
    "lloyd-max", "lloyd-max:coder=fixed", "lloyd-max:coder=zlib", "ecsq", "ecsq:coder=zlib",
    "ectcq", "ectcq:states=256", "dct-ecsq", "naive-copy:latents=30", "gaussian-ae:latents=30",
]  # fmt: skip


@cache
def _codec(spec: str) -> Codec:
    codec: Codec = build_codec(select(load_registry(), spec))
    return codec


@cache
def _block(count: int = 100) -> Signal:
    return vectors(draw("gaussian", count, 100, seed=TEST_SEED))


def _measure(spec: str, value: float, signal: Signal) -> tuple[float, float]:
    codec = _codec(spec)
    key = select(load_registry(), spec).ladder[0].key
    encoded = codec.encode(signal, Point(key, value))
    decoded = codec.decode(encoded.payload).array()
    mse = float(np.mean((decoded - signal.array()) ** 2))
    return 8 * len(encoded.payload) / signal.layout.pixels, mse


@pytest.mark.parametrize("spec", SPECS)
def test_every_point_decodes_to_the_same_shape_from_its_bytes(spec):
    signal = vectors(draw("gaussian", 3, 100, seed=1))
    for point in select(load_registry(), spec).ladder:
        encoded = _codec(spec).encode(signal, point)
        decoded = _codec(spec).decode(encoded.payload)
        assert decoded.layout == signal.layout
        assert _codec(spec).encode(signal, point).payload == encoded.payload
        assert encoded.header_bytes == 6


def test_decoded_lloyd_max_samples_are_the_nearest_levels():
    from bench.entropy.quantise import lloyd_max_for

    signal = _block()
    payload = _codec("lloyd-max").encode(signal, Point("bits", 3)).payload
    levels = lloyd_max_for("gaussian", 3).levels
    x = signal.array()[0]
    nearest = levels[np.abs(x[..., None] - levels).argmin(-1)]
    assert np.array_equal(_codec("lloyd-max").decode(payload).array()[0], nearest)


def test_fixed_length_costs_its_bits_and_the_header():
    rate, _ = _measure("lloyd-max:coder=fixed", 3, _block())
    assert rate == pytest.approx(3 + 8 * 6 / 10_000)


def test_the_estimate_and_the_stream_agree():
    for spec, point in (("lloyd-max", Point("bits", 4)), ("ectcq", Point("rate", 2.0))):
        encoded = _codec(spec).encode(_block(), point)
        assert encoded.bits_estimated is not None
        assert 8 * len(encoded.payload) == pytest.approx(encoded.bits_estimated, rel=0.01)


@pytest.mark.parametrize(("states", "limit_db"), [(8, 0.6), (256, 0.35)])
def test_ectcq_is_near_the_bound_at_one_bit_and_above(states, limit_db):
    signal = _block(400)
    variance = float(np.mean(signal.array() ** 2))
    for rate in (1.0, 2.0, 4.0):
        bits, mse = _measure(f"ectcq:states={states}", rate, signal)
        assert 0 < bound_of("gaussian").gap_db(bits, mse / variance) < limit_db
        assert bits == pytest.approx(rate, abs=0.03)


def test_entropy_coded_uniform_is_within_a_quarter_bit_at_high_rate():
    signal = _block(1000)
    bits, mse = _measure("ecsq", 0.25, signal)
    assert bits - 0.5 * np.log2(1 / mse) < 0.26


@pytest.mark.parametrize("latents", [10, 30, 50])
def test_the_autoencoder_copies_no_better_than_the_naive_scheme(latents):
    signal = _block(5000)
    for bits in (16, 32):
        _, mse = _measure(f"gaussian-ae:latents={latents}", bits, signal)
        assert mse == pytest.approx(1 - latents / 100, abs=0.015)
        _, naive = _measure(f"naive-copy:latents={latents}", bits, signal)
        assert naive == pytest.approx(1 - latents / 100, abs=0.01)


def test_transform_coding_gains_on_correlated_vectors():
    signal = vectors(draw("gauss-markov", 500, 100, seed=2, correlation=0.9))
    bits, mse = _measure("dct-ecsq", 0.25, signal)
    assert bound_of("gauss-markov", correlation=0.9).gap_db(bits, mse) < 1.75


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_named(spec, bad):
    block = draw("gaussian", 4, 100, seed=1)
    block[2, 7] = bad
    with pytest.raises(CodecError, match=r"sample 7 of vector 2 is -?(nan|inf)"):
        _codec(spec).encode(vectors(block), select(load_registry(), spec).ladder[0])


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("value", [0.0, 5.0, 1e300])
def test_constant_and_extreme_blocks_round_trip(spec, value):
    signal = vectors(np.full((2, 100), value))
    for point in select(load_registry(), spec).ladder[:2]:
        decoded = _codec(spec).decode(_codec(spec).encode(signal, point).payload)
        assert decoded.layout == signal.layout


@pytest.mark.parametrize("spec", SPECS)
def test_pictures_are_refused_by_name(spec):
    reason = _codec(spec).refusal(clip(np.zeros((1, 8, 8, 3), np.uint8)).layout)
    assert reason is not None and "rgb" in reason


@pytest.mark.parametrize(
    ("spec", "message"),
    [("lloyd-max:bits=9", "bits 9"), ("ecsq:step=0", "step 0"), ("ectcq:rate=99", "rate 99"),
     ("gaussian-ae:latents=20", "latents 20")],
)  # fmt: skip
def test_values_out_of_range_are_refused(spec, message):
    with pytest.raises(UsageError, match=f"codec {spec}: {message} is outside"):
        select(load_registry(), spec)


def test_a_rate_without_a_design_names_those_there_are():
    with pytest.raises(CardError, match=r"no design for rate 1\.3; known: 0\.5, 1,"):
        _codec("ectcq").encode(_block(), Point("rate", 1.3))


@pytest.mark.parametrize("spec", SPECS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_damaged_streams_are_refused_or_decode_to_the_right_shape(spec, data):
    card = select(load_registry(), spec)
    point = data.draw(st.sampled_from(card.ladder))
    payload = bytearray(_codec(spec).encode(vectors(np.ones((2, 100))), point).payload)
    kind = data.draw(st.sampled_from(["cut", "flip", "junk"]))
    if kind == "cut":
        del payload[data.draw(st.integers(0, len(payload) - 1)) :]
    elif kind == "flip":
        position = data.draw(st.integers(6, len(payload) - 1) if len(payload) > 6 else st.just(0))
        payload[position] ^= data.draw(st.integers(1, 255))
    else:
        payload = bytearray(data.draw(st.binary(max_size=64)))
    try:
        decoded = _codec(spec).decode(bytes(payload))
    except BitstreamError:
        return
    assert kind != "cut"
    if kind == "flip":
        assert decoded.layout.pixels == 200
    assert np.isfinite(decoded.array()).all()


@pytest.mark.parametrize(
    ("name", "shape", "says"),
    [
        ("1.0.about", None, "no tensor 1.0.about"),
        ("1.0.levels", (4, 3), "levels of shape (4, 3)"),
        ("1.0.probabilities", (2, 4), "probabilities of shape (2, 4)"),
        ("1.0.about", (4,), "1.0.about of shape (4,)"),
    ],
)
def test_designs_of_other_shapes_are_refused(
    name: str, shape: tuple[int, ...] | None, says: str
) -> None:
    tensors = {"levels": np.ones((2, 3)), "probabilities": np.ones((2, 3)), "about": [8, 0.1]}
    tables = {f"1.0.{key}": np.asarray(value) for key, value in tensors.items()}
    assert list(read_designs(tables)) == [1.0]
    tables.pop(name)
    if shape is not None:
        tables[name] = np.ones(shape)
    with pytest.raises(ValueError, match=re.escape(says)):
        read_designs(tables)
