import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cards import load_registry, read_codec, read_dataset
from bench.cards.codec import _CODEC_KEYS
from bench.cards.codec_specs import parse_value, split_codecs, split_values
from bench.cards.dataset import _DATASET_KEYS
from bench.cards.suites import read_protocol
from bench.codecs.base import Codec
from bench.codecs.build import CODEC_NEEDS, select
from bench.datasets.base import DataOptions, build_loader, loader_class
from bench.errors import CardError, UsageError, near_matches
from bench.records import Point
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
        (GOOD + 'label = "\\u001b[31mred"\n', "take out what acts on terminals"),
        (GOOD + "[ladder]\nq = [[1, 2], [3]]\n", "ladder.q holds [1, 2]; give numbers or words"),
        (GOOD + "[ladder]\nq = [nan]\n", "ladder.q holds nan; give numbers or words"),
        (GOOD + '[resources]\ngpu = "1"\n', "resources.gpu is '1'; give a number"),
    ],
)
def test_a_bad_card_is_named_with_key_and_value(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(CardError, match=r"bad\.toml") as caught:
        read_codec(write(tmp_path, text))
    assert says in str(caught.value)


def test_a_class_that_loads_nothing_is_no_loader(tmp_path: Path) -> None:
    path = tmp_path / "set.toml"
    path.write_text('title = "T"\nloader = "fractions:Fraction"\nmedia = "image"\n')
    with pytest.raises(CardError, match="loader 'fractions:Fraction' has no items, load, notes"):
        loader_class(read_dataset(path))


def test_what_an_adapter_needs_is_what_a_codec_has() -> None:
    assert set(CODEC_NEEDS) <= {*dir(Codec), *Codec.__annotations__}


TOML = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.floats() | st.text("ab:/.", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1), inner),
    max_leaves=5,
)


@settings(max_examples=100)
@given(data=st.data())
def test_whatever_a_card_holds_is_read_or_refused(data: st.DataObject) -> None:
    for keys, read, base in (
        (_CODEC_KEYS, read_codec, {"title": "T", "adapter": "a.b:C", "media": ["image"]}),
        (_DATASET_KEYS, read_dataset, {"title": "T", "loader": "a.b:C", "media": "image"}),
    ):
        key = data.draw(st.sampled_from(sorted(keys)))
        table = base | {key: data.draw(TOML | st.just({"x": {"codecs": 3}}))}
        text = "".join(f"{name} = {_toml(value)}\n" for name, value in table.items())
        with tempfile.TemporaryDirectory() as folder:
            try:
                read(write(Path(folder), text))
            except CardError as error:
                assert "\n" not in str(error)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {_toml(one)}" for key, one in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")


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
    card = select(registry, "coarse:bits=3+5,fault=none")
    assert card.id == "coarse:fault=none"
    assert card.ladder == (Point("bits", 3), Point("bits", 5))
    assert card.settings["fault"] == "none"
    assert card.digest != registry.codec("coarse").digest


def test_other_points_alone_are_the_same_codec(registry) -> None:
    card = select(registry, "coarse:bits=3")
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
        select(registry, word)
    assert says in str(caught.value)


def test_codecs_and_their_settings_share_the_comma() -> None:
    assert split_codecs("x265:preset=medium,crf=20+30, jpeg") == [
        "x265:preset=medium,crf=20+30",
        "jpeg",
    ]
    settings = "x265:crf=22,params=bframes=0:scenecut=0"
    other = "x264:params=b=1:ref=2,keyint=5,weights=a/b:c"
    words = f"{settings},avif:speed=6,subsampling=4:2:0,{other},jpeg"
    assert split_codecs(words) == [settings, "avif:speed=6,subsampling=4:2:0", other, "jpeg"]
    turned = "x265:params=bframes=0:scenecut=0,crf=22"
    assert select(load_registry(), settings) == select(load_registry(), turned)
    for alone in ("params=a=1:b=2", "jpeg,params=a=1:b=2"):
        with pytest.raises(UsageError, match="'params=a=1:b=2' belongs to no codec"):
            split_codecs(alone)
    with pytest.raises(UsageError, match="'crf=20' belongs to no codec"):
        split_codecs("crf=20")
    with pytest.raises(UsageError, match="names no codec"):
        split_codecs(" , ")


def test_values_are_read_as_toml_would() -> None:
    words = ["3", "0.5", "5_0", "slow", "true", "false", "True", "False"]
    assert [parse_value(word) for word in words] == [
        3, 0.5, "5_0", "slow", True, False, True, False
    ]  # fmt: skip


def test_a_plus_joins_values_but_not_the_parts_of_a_number() -> None:
    for words, values in {
        "1+2": ["1", "2"],
        "+1++2": ["+1", "", "2"],
        "1e+2+3E+4+1.e+5": ["1e+2", "3E+4", "1.e+5"],
        "slow+fast+1e+x": ["slow", "fast", "1e", "x"],
        "e+2": ["e", "2"],
        "1+": ["1", ""],
    }.items():
        assert split_values(words) == values


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (["../../etc/passwd"], "must be a path inside the data folder"),
        (["a.png", "b.png", "a.png"], r"files has a\.png twice"),
    ],
)
def test_data_files_stay_in_their_folder_and_count_once(
    tmp_path: Path, files: list[str], says: str
) -> None:
    (tmp_path / "datasets").mkdir()
    listed = "".join(f'[[files]]\nname = "{name}"\n' for name in files)
    (tmp_path / "datasets" / "evil.toml").write_text(
        f'title = "T"\nloader = "a:B"\nmedia = "image"\n{listed}'
    )
    with pytest.raises(CardError, match=says):
        load_registry([tmp_path]).dataset("evil")


def test_a_users_card_may_be_the_anchor_where_no_suite_names_one(tmp_path: Path) -> None:
    shipped = load_registry()
    assert shipped.anchor() == "x265"
    jpeg = shipped.codecs["jpeg"].read_text()
    (tmp_path / "ours.toml").write_text(f"anchor = true\n{jpeg}")
    assert load_registry([tmp_path]).anchor() == "ours"


def test_a_folder_without_cards_is_refused_with_where_they_lie(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no card in it; give a folder of \*\.toml cards"):
        load_registry([tmp_path])
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "my-net.toml").write_text("")
    with pytest.raises(UsageError, match=rf"my-net\.toml lies in {tmp_path}/cards"):
        load_registry([tmp_path])


def test_of_many_names_the_first_are_said() -> None:
    assert near_matches("zzzz", [f"name-{n:02d}" for n in range(30)]).endswith("name-23 and 6 more")
    assert near_matches("zzzz", ["b", "a"]) == "known: a, b"


def test_a_title_says_the_settings_of_a_variation(tmp_path: Path) -> None:
    text = GOOD.replace('"T"', '"Coder ({preset}, {chroma}, {unknown})"')
    card = read_codec(write(tmp_path, f'{text}[settings]\npreset = "slow"\nchroma = 444\n'))
    assert card.title == "Coder (slow, 4:4:4, {unknown})"


@pytest.mark.parametrize(
    ("spec", "title"),
    [
        ("x265", "H.265/HEVC (x265, veryslow, tune=psnr, 4:4:4, 8 bits)"),
        ("x265:preset=medium", "H.265/HEVC (x265, medium, tune=psnr, 4:4:4, 8 bits)"),
        (
            "x265:chroma=420,keyint=10",
            "H.265/HEVC (x265, veryslow, tune=psnr, 4:2:0, 8 bits) (keyint=10)",
        ),
        ("vvenc:preset=slower", "H.266/VVC (VVenC, slower, tune=psnr, 4:2:0, 10 bits)"),
        ("svtav1:preset=0,crf=20", "AV1 (SVT-AV1, preset 0, tune=psnr, 4:2:0, 8 bits)"),
        ("avif:subsampling=4:2:0", "AVIF (libavif with aom, speed 4, 4:2:0, tune=psnr, 8 bits)"),
        ("jpeg:quality=5", "JPEG (Pillow defaults, 4:2:0)"),
    ],
)
def test_titles_say_preset_chroma_and_depth(spec: str, title: str) -> None:
    assert select(load_registry(), spec).title == title


def test_a_suite_has_a_timeout_and_notes(tmp_path: Path) -> None:
    head = 'title = "T"\nloader = "a.b:C"\nmedia = "image"\n[suites.s]\ncodecs = ["x265"]\n'
    suite = read_dataset(write(tmp_path, head)).suites["s"]
    assert suite.timeout == 600 and suite.notes == ()
    (tmp_path / "more").mkdir()
    more = write(tmp_path / "more", head + 'timeout = 3600\nnotes = ["one production"]\n')
    suite = read_dataset(more).suites["s"]
    assert suite.timeout == 3600 and suite.notes == ("one production",)
    (tmp_path / "wrong").mkdir()
    with pytest.raises(CardError, match="timeout is 0; give seconds"):
        read_dataset(write(tmp_path / "wrong", head + "timeout = 0\n"))


@pytest.mark.parametrize(
    ("name", "ladder", "said"),
    [
        ("=x", "q = [1]", "letters and digits"),
        ("a\x1b[31m", "q = [1]", "letters and digits"),
        ("a", 'q = ["\\u001b[31m"]', "points stand in tables"),
        ("a", '"=q" = [1]', "points stand in tables"),
    ],
)
def test_ids_and_points_can_be_shown(tmp_path: Path, name: str, ladder: str, said: str) -> None:
    text = f'title = "t"\nadapter = "a:B"\nmedia = ["image"]\n[ladder]\n{ladder}\n'
    (tmp_path / f"{name}.toml").write_text(text)
    with pytest.raises(CardError, match=said):
        load_registry([tmp_path]).codec(name)


PROTOCOL = 'title = "T"\nsource = "S"\ncodecs = ["x264:qp=30"]\nmetrics = ["psnr_y"]\nframes = 8\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PROTOCOL.replace("frames = 8", "frames = 0"), "frames is 0"),
        (PROTOCOL.replace('source = "S"\n', ""), "source is missing"),
        (PROTOCOL + "frame = 3\n", "unknown key 'frame'; did you mean frames"),
        (PROTOCOL.replace('["x264:qp=30"]', "[]"), "lists of at least one"),
    ],
)
def test_protocols_are_read_strictly(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(CardError, match=says):
        read_protocol(write(tmp_path, text))


def test_a_protocol_takes_the_place_of_what_the_suite_says() -> None:
    registry = load_registry()
    protocol, suite = registry.protocol("dcvc-96-ip32"), registry.suite("uvg")
    under = protocol.of(suite)
    assert (under.id, under.dataset, under.frames) == ("uvg", "uvg", 96)
    assert under.codecs == protocol.codecs != suite.codecs
    assert "DecodingRefreshType=2 --FramesToBeEncoded=96 --IntraPeriod=32" in under.notes[-1]


def test_every_protocol_names_codecs_that_there_are() -> None:
    registry = load_registry()
    for name in registry.protocols:
        protocol = registry.protocol(name)
        ids = [select(registry, spec).id for spec in protocol.codecs]
        assert protocol.anchor is None or select(registry, protocol.anchor).id in ids


def test_a_setting_that_no_loader_of_ours_reads_is_refused(tmp_path: Path) -> None:
    registry = load_registry()
    for name in registry.datasets:
        card = registry.dataset(name)
        known = getattr(loader_class(card), "settings_known", ())
        suites = [suite.settings for suite in card.suites.values()]
        assert not {key for told in (card.settings, *suites) for key in told if key not in known}
    with pytest.raises(CardError, match=r"unknown setting .croop.; did you mean crop"):
        build_loader(registry.dataset("kodak"), {"croop": 64}, DataOptions())
