"""Cards of the project with other values, for tests."""

from __future__ import annotations

from pathlib import Path

from bench.cards import CodecCard, load_registry, read_codec


def changed_card(folder: Path, name: str, *changes: tuple[str, str]) -> CodecCard:
    """The codec's card, in this folder, with these pieces of its text replaced."""
    path = folder / f"{name}.toml"
    text = load_registry().codecs[name].read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return read_codec(path)
