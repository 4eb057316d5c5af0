"""What users write behind a codec's id: one ladder, one spelling, nothing that does not count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cards import CodecCard, load_registry
from bench.cards.codec_specs import parse_settings
from bench.codecs.base import ANY_LADDER, AnyValue, Choice, Range
from bench.codecs.build import adapter_class, select
from bench.codecs.variations import check_values, ladder_keys, vary
from bench.engine.campaign import select_codecs
from bench.errors import CardError, UsageError
from bench.records import Point

REGISTRY = load_registry()
NO_NUMBERS = ("nan", "NaN", "-nan", "inf", "-inf", "Infinity", "1e999", "-1e999", "9" * 401)


def points(word: str) -> list[str]:
    return [str(point) for point in select(REGISTRY, word).ladder]


def refusal(word: str) -> str:
    with pytest.raises(UsageError) as caught:
        select_codecs(REGISTRY, [word])
    return str(caught.value)


# printed by the version before variations had a module of their own: with another id or digest all
# stored records of the codec would be measured again
KEPT = {
    "jpeg": ("jpeg", "6beb589baf797df5", "quality=5", "quality=95"),
    "ecsq": ("ecsq", "45bc051eab60f324", "step=3.0", "step=0.125"),
    "x265:preset=medium": ("x265:preset=medium", "f2da48631775ab92", "crf=17", "crf=51"),
    "vvenc:preset=faster,qp=24+63": ("vvenc:preset=faster", "aa1d6ebe3e0009f4", "qp=24", "qp=63"),
    "avif:subsampling=4:2:0": (
        "avif:subsampling=4:2:0", "be8b3a7604546f25", "quality=5", "quality=75",
    ),
    "vqvae2-512:tiling=patches,coder=zlib": (
        "vqvae2-512:coder=zlib,tiling=patches", "9e7006feb528c42a", "mode=only", "mode=only",
    ),
    "cifar-vae:loss=mse,quantiser=none,bits=32": (
        "cifar-vae:loss=mse,quantiser=none", "17e7d54946588e55", "bits=32", "bits=32",
    ),
    "jpeg:optimize=true": ("jpeg:optimize=True", "319bc57f42b32fb3", "quality=5", "quality=95"),
}  # fmt: skip


@pytest.mark.parametrize("word", KEPT)
def test_ids_digests_and_points_of_known_variations_stay(word: str) -> None:
    card = select(REGISTRY, word)
    found = (card.id, card.digest[:16], str(card.ladder[0]), str(card.ladder[-1]))
    assert found == KEPT[word]


def test_another_quantiser_takes_the_place_of_the_ladder_and_stands_in_the_id() -> None:
    card = select(REGISTRY, "x264:qp=22+27+32+37")
    assert points("x264:qp=22+27+32+37") == ["qp=22", "qp=27", "qp=32", "qp=37"]
    assert (card.id, card.settings) == ("x264:qp", REGISTRY.codec("x264").settings)
    assert card.title.endswith("(qp instead of crf)")
    one = select(REGISTRY, "x264-medium:preset=fast,qp=27")
    assert one.id == "x264-medium:qp,preset=fast"
    assert one.title.endswith("(qp instead of crf)")
    assert one.ladder == (Point("qp", 27),)
    assert points("jpeg2000:psnr=30+40") == ["psnr=30", "psnr=40"]


def test_a_codec_id_never_has_points_of_two_keys() -> None:
    chosen = select_codecs(REGISTRY, ["x264", "x264:qp=22", "x264:crf=30", "x264:qp=27.0"])
    assert [card.id for card in chosen] == ["x264", "x264:qp"]
    assert {point.key for point in chosen[0].ladder} == {"crf"}
    assert chosen[1].ladder == (Point("qp", 22), Point("qp", 27))


@pytest.mark.parametrize("name", sorted(REGISTRY.codecs))
def test_the_ladder_keys_of_every_card_exclude_one_another(name: str) -> None:
    card = REGISTRY.codec(name)
    adapter = adapter_class(card)
    keys = ladder_keys(adapter)
    check_values(card, adapter)
    if ANY_LADDER in adapter.parameters:  # a user's network, whose card names it
        return
    assert keys is not None or not adapter.parameters
    keys, own = keys or (), card.ladder[0].key
    assert set(keys) <= set(adapter.parameters) and own in (*keys, "mode")
    for key in keys:
        allowed = adapter.parameters[key]
        value = allowed.words[0] if isinstance(allowed, Choice) else getattr(allowed, "high", 0)
        beside = replace(card, settings={**card.settings, key: value})
        with pytest.raises(CardError, match=rf"settings\.{key} beside .* does not count"):
            check_values(beside, adapter)
        for other in set(keys) - {key}:
            with pytest.raises(UsageError, match="exclude one another; give one of them"):
                vary(card, adapter, {key: "1", other: "1"}, name)
    for key in {*adapter.parameters} - {*keys}:
        with pytest.raises(CardError, match=f"{key} cannot be the ladder"):
            ladder = (Point(key, card.settings.get(key, 1)),)
            settings = {k: v for k, v in card.settings.items() if k != key}
            _check_ladder_alone(replace(card, ladder=ladder, settings=settings))


def _check_ladder_alone(card: CodecCard) -> None:
    """As ``check_values`` where every value is in range."""
    adapter = adapter_class(card)

    class Anything(adapter):  # type: ignore[misc, valid-type]
        parameters = dict.fromkeys(adapter.parameters, AnyValue())

    check_values(card, Anything)


OVERRIDDEN = {
    "x264:crf=22,qp=27": "crf and qp exclude one another",
    "x264:params=crf=30": "params=crf=30 does not count beside the ladder of crf",
    "x264:qp=30,params=ref=1:qp_constant=20": "does not count beside the ladder of qp",
    "x265:params=bitrate=100": "params=bitrate=100 does not count beside the ladder of crf",
    "x265:params=lossless=1": "the ladder of crf does not count beside params=lossless=1",
    "x265:crf=22+30,params=no-lossless=false": "the ladder of crf does not count beside params=no-",
    "x265:crf=22+30,params=nolossless=0": "the ladder of crf does not count beside params=nolossl",
    "x265:crf=30,params=lossless=yes": "the ladder of crf does not count beside params=lossless",
    "x265:keyint=-1,params=noscenecut=0": "params=noscenecut=0 does not count beside keyint=-1",
    "x265:params=qpmin=51": "params=qpmin=51 does not count beside the ladder of crf",
    "x264:params=vbv-maxrate=10:vbv-bufsize=10": "does not count beside the ladder of crf",
    "x264:params=crf-max=20": "params=crf-max=20 does not count beside the ladder of crf",
    "svtav1:preset=3,params=preset=9": "params=preset=9 does not count beside the setting preset",
    "vvenc:params=PerceptQPA=1": "does not count beside the setting tune",
    "vp9:params=cpu-used=5": "does not count beside the setting cpu-used",
    "x264:params=threads=4": "params=threads=4 does not count beside the one thread",
    "x265:params=pools=4:frame-threads=3": "does not count beside the one thread",
    "svtav1:preset=12": "preset 12 is outside -1–11",
    "vp9:cpu-used=6": "cpu-used 6 is outside 0–5",
    "avif:speed=10": "speed 10 is outside 0–9",
    "hm:low-delay=encoder_lowdelay_main.cfg": "does not count beside structure=random-access",
    "vtm:random-access=x.cfg,structure=intra": "does not count beside structure=intra",
    "x264:keyint=10,params=bframes=0:keyint=5": "does not count beside keyint=10",
    "x264-zerolatency:params=keyint=5": "params=keyint=5 does not count beside keyint=10",
    "x265:keyint=-1,params=scenecut=40": "params=scenecut=40 does not count beside keyint=-1",
    "x264:params=bframes=0:b=1:bframes=2": "each key once",
    "x265:params=sao=1:no-sao=1": "each key once",
    "x264:params=bframes": "key=value joined by colons",
    "jpeg:progressive=true,optimize=false": "optimize=False does not count beside progressive=True",
    "png-mosaic:quality=50": "the ladder of quality does not count beside codec=png",
    "jpeg-mosaic:codec=png": "the ladder of quality does not count beside codec=png",
    "jpeg2000:ratio=20,psnr=30": "ratio and psnr exclude one another",
    "bpg:encoder=jctvc,level=3": "level=3 does not count beside encoder=jctvc",
    "bpg:colour=rgb,chroma=420": "chroma=420 does not count beside colour=rgb",
    "cifar-vae:quantiser=none,coder=zlib,bits=32": "coder=zlib does not count beside quantiser",
    "coolchic:preset=debug,iterations=2000": "iterations=2000 does not count beside preset=debug",
    "vqvae2-512:coder=zlib,input=vectors": "input=vectors does not count beside coder=zlib",
    "zlib:level=1+9": "level takes one value; it has no ladder",
    "png:mode=first": "unknown setting 'mode'",
}


@pytest.mark.parametrize("word", OVERRIDDEN)
def test_what_does_not_count_is_refused_by_name(word: str) -> None:
    said = refusal(word)
    assert said.startswith(f"codec {word}: ") and OVERRIDDEN[word] in said and "\n" not in said


@pytest.mark.parametrize(
    "word",
    [
        *("x265:params=rd=4:psy-rd=1.0", "x264:keyint=-1,params=scenecut=0:bframes=0"),
        *(
            "x264:keyint=-1,params=no-scenecut=1",
            "x265:crf=0,params=lossless=1",
            "x265:params=lossless=false",
            "hm:structure=low-delay",
        ),
        *("jpeg-optimized:optimize=true", "bpg:encoder=jctvc", "coolchic:preset=debug"),
        *("vqvae2-512:coder=pixelsnail,input=vectors", "cifar-vae:quantiser=none,bits=32"),
    ],
)
def test_what_counts_is_not_refused(word: str) -> None:
    select_codecs(REGISTRY, [word])


CARD = """
title = "T"
adapter = "bench.codecs.ffmpeg:X264"
media = ["image"]
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[settings]\nqp = 22\n[ladder]\ncrf = [22]", "settings.qp beside the ladder of crf"),
        ("[settings]\ncrf = 22\n[ladder]\ncrf = [22]", "settings.crf beside the ladder of crf"),
        ("[settings]\ncrf = 22\n", "settings.crf beside no ladder does not count; make crf the"),
        ('[ladder]\npreset = ["fast"]', "preset cannot be the ladder: that is one of crf, qp"),
        ('[settings]\nparams = "qp=3"\n[ladder]\ncrf = [22]', "params=qp=3 does not count beside"),
        ("[ladder]\ncrf = [60]", "crf 60 is outside 0–51; change ladder.crf"),
        ("[settings]\nkeyint = nan\n[ladder]\ncrf = [22]", "keyint nan is outside 1–100000, or -1"),
        (f"[settings]\nkeyint = 0x{'f' * 5000}\n[ladder]\ncrf = [22]", "keyint of 20000 bits is"),
        (f"[ladder]\ncrf = [0x{'f' * 5000}]", "ladder.crf holds of 20000 bits; give numbers"),
        (f"[ladder]\ncrf = [{'9' * 5000}]", "cannot be read as TOML"),
    ],
)
def test_a_card_is_blamed_for_what_the_card_says(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "own.toml").write_text(CARD + text)
    with pytest.raises(CardError) as caught:
        select_codecs(load_registry([tmp_path]), ["own"])
    said = str(caught.value)
    assert said.startswith(f"{tmp_path.name}/own.toml: ") and says in said and "\n" not in said


def test_a_card_may_have_its_ladder_on_any_of_the_keys(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(CARD + "[ladder]\nqp = [22, 27]")
    registry = load_registry([tmp_path])
    assert [card.id for card in select_codecs(registry, ["own", "own:crf=20"])] == [
        "own",
        "own:crf",
    ]


SPELLINGS = {
    "jpeg:quality=50+50.0+050+5e1+50.+500e-1": ["quality=50"],
    "jpeg:quality=+50": ["quality=50"],
    "jpeg:quality=1e+1+5": ["quality=10", "quality=5"],
    "x265:crf=22.0+22.50+2.25e1": ["crf=22", "crf=22.5"],
    "coolchic:lmbda=1e-3+0.0010+4E-3": ["lmbda=0.001", "lmbda=0.004"],
    "vae3d:lambda=16.0": ["lambda=16"],
    # a ladder whose card writes floats
    "ecsq:step=3+3.0+1.4+5": ["step=3.0", "step=1.4", "step=5.0"],
}


@pytest.mark.parametrize("word", SPELLINGS)
def test_equal_values_are_one_point(word: str) -> None:
    assert points(word) == SPELLINGS[word]


def test_equal_settings_give_one_id() -> None:
    for words in (
        ("avif:speed=6", "avif:speed=6.0", "avif:speed=06"),
        ("x264:chroma=420", "x264:chroma=420.0", "x264:chroma=42e1"),
        ("dct-ecsq:correlation=0.5", "dct-ecsq:correlation=.50", "dct-ecsq:correlation=5e-1"),
        ("dct-ecsq:correlation=0", "dct-ecsq:correlation=0.0", "dct-ecsq:correlation=-0.0"),
        ("jpeg:optimize=True", "jpeg:optimize=true"),
    ):
        cards = [select(REGISTRY, word) for word in words]
        assert {card.id for card in cards} == {words[0]}
        assert len({card.digest for card in cards}) == 1


@given(st.integers(1, 100), st.integers(0, 6), st.integers(0, 3))
def test_whatever_a_whole_number_looks_like_it_is_one_point(
    value: int, zeros: int, digits: int
) -> None:
    words = [f"{value:0{zeros}d}", f"{value:.{digits}f}", f"{value:.9e}", f"+{value}"]
    assert {point for word in words for point in points(f"jpeg:quality={word}")} == {
        f"quality={value}"
    }


def test_words_of_a_card_s_ladder_stay_words(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        'title = "T"\nadapter = "bench.codecs.command:CommandCodec"\nmedia = ["image"]\n'
        '[settings]\nencode = "a {level}"\ndecode = "b"\n[ladder]\nlevel = ["01", "slow"]\n'
    )
    card = select(load_registry([tmp_path]), "own:level=01+slow+2.0")
    assert card.ladder == (Point("level", "01"), Point("level", "slow"), Point("level", 2))


def test_a_setting_that_is_text_keeps_its_plus_and_its_digits() -> None:
    card = select(REGISTRY, "bmshj2018-factorized:part=ema+1")
    assert card.settings["part"] == "ema+1"
    assert select(REGISTRY, "bmshj2018-factorized:weights=007").settings["weights"] == "007"


def test_true_is_not_one() -> None:
    assert "context true is outside 0 | 1" in refusal("ffv1:context=true")
    assert True not in Choice((0, 1)) and 1 in Choice((0, 1)) and 1 not in Choice((True, "x"))


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_no_adapter_takes_what_is_no_finite_number(text: str) -> None:
    for name in REGISTRY.codecs:
        card = REGISTRY.codec(name)
        adapter = adapter_class(card)
        for key in {*adapter.parameters, card.ladder[0].key} - {"mode", ANY_LADDER}:
            with pytest.raises(UsageError) as caught:
                vary(card, adapter, {key: text}, f"{name}:{key}={text}")
            said = str(caught.value)
            assert f"{key} {text[:80]}" in said and "outside" in said and "\n" not in said


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 10**400, -(10**400)])
def test_no_kind_of_values_holds_what_is_no_finite_number(number: float) -> None:
    for allowed in (Range(1, 100), Range(0, 1, integer=False), Choice((1, 2)), AnyValue()):
        assert number not in allowed
    assert float("inf") not in Range(0, float("inf"))


def test_the_settings_of_a_word_are_kept_as_written() -> None:
    assert parse_settings("x", ["b=1.0", " a=2+3:4=5"]) == {"b": "1.0", "a": "2+3:4=5"}
