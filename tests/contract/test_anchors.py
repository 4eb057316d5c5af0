"""Vaults that come with the project: whole, small, of the suite's pictures, and decoded to the
samples that were packed where their decoder is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cards import load_registry
from bench.codecs.build import build_codec, select
from bench.errors import Unavailable
from bench.results.run_info import read_run
from bench.results.vault_file import key_of, read_vault
from bench.vault.decoding import check_decoder, decode_all
from tests.command import ROOT

FOLDER = ROOT / "results" / "anchors"
VAULTS = [pytest.param(path, id=path.stem) for path in sorted(FOLDER.glob("*.zip"))] or [
    pytest.param(FOLDER, marks=pytest.mark.skip(reason="results/anchors holds no vault"))
]
LARGEST = 5_000_000
"""Bytes of a file in the repository: more belongs to a release."""


@pytest.mark.parametrize("path", VAULTS)
def test_an_anchor_is_whole_and_of_the_suite_that_it_names(path: Path) -> None:
    vault = read_vault(path)
    assert list(vault.damage()) == []
    assert path.stat().st_size < LARGEST
    suite = read_run(ROOT / "results" / vault.run.suite)
    assert vault.run.item_digests == suite.item_digests
    keys = [key_of(record) for record in vault.records]
    assert len(set(keys)) == len(keys)
    points = {(info.id, point) for info in vault.run.codecs for point in info.ladder}
    assert set(keys) == {(*one, item) for one in points for item in vault.run.item_digests}
    for record in vault.records:
        assert record.bytes == len(vault.stream(record) or b"")


@pytest.mark.parametrize("path", VAULTS)
def test_an_anchor_decodes_to_the_samples_that_were_packed(path: Path) -> None:
    """Of each point the first picture: `bench vault verify` decodes all."""
    vault, registry = read_vault(path), load_registry()
    first = next(iter(vault.run.item_digests))
    for info in vault.run.codecs:
        card = select(registry, info.id)
        try:
            check_decoder(build_codec(card))
        except Unavailable as error:
            pytest.skip(str(error))
        held = [
            (one, vault.stream(one) or b"")
            for one in vault.records if (one.codec, one.item) == (info.id, first)
        ]  # fmt: skip
        found = decode_all({info.id: held}, {info.id: card}, seconds=600)
        assert not found.failures and len(found.hashes) == len(info.ladder)
        assert all(vault.samples[key] == digest for key, digest in found.hashes.items())
