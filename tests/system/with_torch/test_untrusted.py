"""Cards, archives, weights and names from elsewhere: none runs code or reaches outside.

Shell arguments are tested with the command codec, the page's escaping with the report.
"""

import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

from bench.cards import load_registry, read_dataset
from bench.codecs.foreign.network import read_states
from bench.codecs.foreign.plain import Fault
from bench.codecs.support.weights import load_weights, read_tensors
from bench.errors import CardError, DataError
from bench.results.kept_streams import KeptStream, KeptStreams

CARD = (
    'title = "x"\nloader = "bench.datasets.images:ImageFolder"\nmedia = "image"\n'
    "[[files]]\nname = {name!r}\n"
)


class Bomb:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.path),))


def test_the_bomb_would_go_off(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "hurt")))
    assert (tmp_path / "hurt").exists()


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "a/../../secret.png"])
def test_a_data_set_card_cannot_name_files_outside_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "evil.toml").write_text(CARD.format(name=name))
    with pytest.raises(CardError, match="must be a path inside the data folder"):
        read_dataset(tmp_path / "evil.toml")


def test_a_pickle_in_the_place_of_weights_is_refused_and_never_run(tmp_path: Path) -> None:
    hurt = tmp_path / "hurt"
    folder = tmp_path / "weights" / "evil"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(pickle.dumps(Bomb(hurt)))
    (tmp_path / "evil.toml").write_text(
        'title = "x"\nadapter = "bench.codecs.raw:Raw"\nmedia = ["image"]\n'
    )
    card = load_registry([tmp_path]).codec("evil")
    with pytest.raises(CardError, match="not a safetensors file"):
        load_weights(card)
    torch.save(Bomb(hurt), folder / "model.safetensors")
    with pytest.raises(CardError, match="not a safetensors file"):
        read_tensors(folder / "model.safetensors")
    assert not hurt.exists()


def test_a_hostile_checkpoint_is_refused_and_never_run(tmp_path: Path) -> None:
    torch.save({"state_dict": Bomb(tmp_path / "hurt")}, tmp_path / "net.pth.tar")
    with pytest.raises(Fault, match="unpickling it runs code"):
        read_states(str(tmp_path / "net.pth.tar"))
    assert not (tmp_path / "hurt").exists()


def test_an_adapter_path_is_an_import_and_not_an_expression(tmp_path: Path) -> None:
    (tmp_path / "evil.toml").write_text(
        'title = "x"\nadapter = "os:system(\'mkdir hurt\')"\nmedia = ["image"]\n'
    )
    from bench.codecs.build import adapter_class

    with pytest.raises(CardError, match="cannot be imported"):
        adapter_class(load_registry([tmp_path]).codec("evil"))


def test_archives_with_names_that_climb_out_leave_nothing_outside(tmp_path: Path) -> None:
    """The archives are read in place: the data sets' own names are looked up, none is unpacked."""
    from bench.datasets.base import DataOptions, build_loader

    data = tmp_path / "data"
    data.mkdir()
    with zipfile.ZipFile(data / "vimeo_septuplet.zip", "w") as archive:
        for name in ("../../outside.png", "/outside.png", "sequences/../../outside.png"):
            archive.writestr(name, b"hurt")
    with tarfile.open(data / "cifar-10-binary.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("../../outside.png")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"hurt"))
    before = sorted(data.rglob("*"))
    registry = load_registry()
    for name in ("vimeo90k", "cifar10"):
        if name not in registry.datasets:
            continue
        with pytest.raises(DataError):
            build_loader(
                registry.dataset(name), dict(registry.dataset(name).settings), DataOptions(data)
            ).items()
    assert sorted(data.rglob("*")) == before
    assert not list(tmp_path.rglob("outside.png"))


@pytest.mark.parametrize("name", ["../../climb", "/absolute", "..", "a/b", "a\0b", "CON<>|"])
def test_names_of_items_and_codecs_stay_inside_the_results_folder(
    tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    kept_streams = KeptStreams(out)
    kept_streams.add(KeptStream(name, name, name, b"payload", b"png", b"png"))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 3
    assert all(out in path.resolve().parents for path in written)
