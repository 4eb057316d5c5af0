import json
from pathlib import Path

import pytest

from bench.cards.files import read_json, read_text, read_toml


@pytest.mark.parametrize("depth", [200, 100_000])
@pytest.mark.parametrize(("read", "name"), [(read_json, "a.json"), (read_toml, "a.toml")])
def test_values_nested_without_end_are_an_error_of_the_file(
    tmp_path: Path, read: object, name: str, depth: int
) -> None:
    path = tmp_path / name
    path.write_text(("" if name.endswith("json") else "a = ") + "[" * depth + "]" * depth)
    with pytest.raises(ValueError, match="nested"):
        (read_json if read is read_json else read_toml)(path)


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"ü": 1}).encode())
    assert read_json(path) == {"ü": 1}
    path.write_bytes(b'\xef\xbb\xbfa = "\xc3\xbc"\r\n')
    assert read_toml(path) == {"a": "ü"}
    assert read_text(path) == 'a = "ü"\n'


@pytest.mark.parametrize(
    ("content", "said"), [("a = 1".encode("utf-16"), "UTF-16"), (b"a = '\xfc'", "no UTF-8")]
)
def test_another_encoding_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{said}.*save it as UTF-8"):
        read_toml(path)


def test_half_a_character_is_an_error_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('["\\ud800"]')
    with pytest.raises(ValueError, match="surrogates"):
        read_json(path)
    path.write_text('["\\ud83d\\ude00"]')
    assert read_json(path) == ["😀"]
