from pathlib import Path

import pytest

from bench.cards import load_registry, read_codec
from bench.errors import CardError, UsageError
from bench.records import Point
from bench.words import parse_value, split_codecs
from tests.fakes import write_cards


@pytest.fixture
def registry(tmp_path: Path):
    return load_registry([write_cards(tmp_path)])


def write(folder: Path, text: str) -> Path:
    path = folder / "bad.toml"
    path.write_text(text)
    return path


GOOD = 'title = "T"\nadapter = "a.b:C"\nmedia = ["image"]\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + "lader = 3\n", "unknown key 'lader'; did you mean ladder"),
        (GOOD.replace("image", "imge"), "media 'imge' is not one of image, video, vector"),
        (GOOD + "[ladder]\nq = []\n", "ladder.q is []; give a list of values"),
        (GOOD + "[ladder]\nq = [1, 1]\n", "ladder.q names a value twice"),
        (GOOD + "[ladder]\nq = [1]\nr = [2]\n", "ladder has 2 keys; give one"),
        (GOOD.replace("a.b:C", "a.b.C"), "adapter is 'a.b.C'; write \"package.module:Class\""),
        ('title = "T"\n', "adapter is missing; add it"),
        ("title = \n", "cannot be read as TOML"),
        (GOOD + 'deterministic = "yes"\n', "deterministic is 'yes'; give a bool"),
    ],
)
def test_a_bad_card_is_named_with_key_and_value(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(CardError, match=r"bad\.toml") as caught:
        read_codec(write(tmp_path, text))
    assert says in str(caught.value)


def test_an_adapter_that_does_not_exist_is_named(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(CardError, match=r"'a\.b:C' cannot be imported"):
        load_registry([tmp_path]).select("bad:q=1")


def test_two_owners_of_one_id_are_both_named(tmp_path: Path) -> None:
    write_cards(tmp_path / "one")
    write_cards(tmp_path / "two")
    with pytest.raises(CardError, match=r"'coarse' is claimed by both .*one.* and .*two"):
        load_registry([tmp_path / "one", tmp_path / "two"])


def test_unknown_names_list_near_matches(registry) -> None:
    with pytest.raises(UsageError, match="unknown codec 'corse'; did you mean coarse"):
        registry.codec("corse")
    with pytest.raises(UsageError, match="unknown suite 'nois'; did you mean noise"):
        registry.suite("nois")


def test_a_variation_changes_settings_and_ladder(registry) -> None:
    card = registry.select("coarse:bits=3+5,fault=none")
    assert card.id == "coarse:fault=none"
    assert card.ladder == (Point("bits", 3), Point("bits", 5))
    assert card.settings["fault"] == "none"
    assert card.digest != registry.codec("coarse").digest


def test_other_points_alone_are_the_same_codec(registry) -> None:
    card = registry.select("coarse:bits=3")
    assert (card.id, card.digest) == ("coarse", registry.codec("coarse").digest)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("coarse:speed=3", "unknown setting 'speed'"),
        ("coarse:bits", "'bits' is not key=value"),
        ("coarse:fault=none+raise", "fault takes one value; only bits is a ladder"),
        ("coarse:bits=1,bits=2", "bits is given twice"),
    ],
)
def test_a_bad_variation_is_refused(registry, word: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        registry.select(word)
    assert says in str(caught.value)


def test_codecs_and_their_settings_share_the_comma() -> None:
    assert split_codecs("x265:preset=medium,crf=20+30, jpeg") == [
        "x265:preset=medium,crf=20+30",
        "jpeg",
    ]
    with pytest.raises(UsageError, match="'crf=20' belongs to no codec"):
        split_codecs("crf=20")
    with pytest.raises(UsageError, match="names no codec"):
        split_codecs(" , ")


def test_values_are_read_as_toml_would() -> None:
    words = ["3", "0.5", "slow", "true", "false"]
    assert [parse_value(word) for word in words] == [3, 0.5, "slow", True, False]


def test_a_data_file_cannot_leave_its_folder(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "evil.toml").write_text(
        'title = "T"\nloader = "a:B"\nmedia = "image"\n[[files]]\nname = "../../etc/passwd"\n'
    )
    with pytest.raises(CardError, match="must be a path inside the data folder"):
        load_registry([tmp_path]).dataset("evil")


def test_every_shipped_card_is_valid() -> None:
    registry = load_registry()
    for name in registry.codecs:
        registry.codec(name)
    suites = registry.suites()
    assert suites
    for suite in suites.values():
        for word in suite.codecs:
            registry.select(word)


def test_a_users_card_may_be_the_anchor_where_no_suite_names_one(tmp_path: Path) -> None:
    shipped = load_registry()
    assert shipped.anchor() == "x265"
    jpeg = shipped.codecs["jpeg"].read_text()
    (tmp_path / "ours.toml").write_text(f"anchor = true\n{jpeg}")
    assert load_registry([tmp_path]).anchor() == "ours"
