"""Weight files of learned codecs: safetensors with a model card beside them, read and written.

Loading never unpickles. Knows cards and files, but no network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cards import CodecCard
from bench.errors import CardError, Unavailable
from bench.processes.isolation import launch_folder

if TYPE_CHECKING:
    from torch import Tensor, nn

MODEL = "model"
"""Name of the network of a card that trains only one."""
FORMAT = "bench-1"
_HALF_RANGE = (2.0**-10, 65504.0)
"""Largest magnitudes of tensors that float16 holds well."""
_SCALE = ".scale_of_rows"
_LEAST_INTEGERS = 4096


def weights_path(card: CodecCard, name: str = MODEL) -> Path:
    """The file of a card's network: ``weights/<card>/<name>.safetensors`` beside the card."""
    folder = card.folder if card.folder.exists() else launch_folder() / card.folder
    return folder / "weights" / card.path.stem / f"{name}.safetensors"


def train_command(codec: str, name: str = MODEL) -> str:
    """The command line that trains a network, by the name of its weight file: that of a point of
    the ladder is ``key=value``, any other is a part's."""
    words = ["python -m bench train", codec]
    if name != MODEL:
        words.append(f"--point {name}" if "=" in name else f"--part {name}")
    return " ".join(words)


def check_weights(card: CodecCard, name: str = MODEL, *, cure: str | None = None) -> Path:
    """The path of a weight file that is there. Raises Unavailable if it is not, with the cure:
    ``bench train``, unless it is another."""
    path = weights_path(card, name)
    if not path.is_file():
        cure = cure or f"train them: {train_command(card.path.stem, name)}"
        raise Unavailable(f"codec {card.id}: no weights at {path}; {cure}")
    return path


def load_weights(
    card: CodecCard, name: str = MODEL, *, cure: str | None = None
) -> dict[str, Tensor]:
    """The tensors of a network on the CPU, floating ones as float32.

    Raises Unavailable if the file is missing, CardError naming it if it is truncated or was
    written for another codec.
    """
    from safetensors import safe_open

    path = check_weights(card, name, cure=cure)
    tensors = read_tensors(path)
    with safe_open(path, framework="pt", device="cpu") as file:
        metadata = file.metadata() or {}
    owner = card.path.stem
    if metadata.get("codec") != owner or metadata.get("name") != name:
        raise CardError(
            f"{path}: holds weights of {metadata.get('codec', 'an unknown codec')}/"
            f"{metadata.get('name', '?')}, not of {owner}/{name}; restore the right file"
        )
    return tensors


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of any safetensors file, floating ones as float32; CardError if it is broken."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CardError(
            f"{path}: truncated or not a safetensors file ({error}); restore it, or train again "
            "with python -m bench train"
        ) from error
    _check_scales(path, tensors)
    return _restored(tensors)


def _check_scales(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Integers and their scales come together; else integers would be taken for weights."""
    import torch

    integers = {key for key, tensor in tensors.items() if tensor.dtype == torch.int8}
    scaled = {key.removesuffix(_SCALE) for key in tensors if key.endswith(_SCALE)}
    for key in sorted(integers ^ scaled):
        lacks = "scale" if key in integers else "integers"
        raise CardError(f"{path}: {key} has no {lacks}; restore the right file or train again")


def load_into(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copies weights into a network; a name or shape that does not fit is a CardError."""
    try:
        model.load_state_dict(dict(tensors))
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:300]
        raise CardError(
            f"{path}: weights of another architecture ({detail}); restore the right file or train "
            "again"
        ) from error


def save_weights(
    folder: Path, codec: str, name: str, tensors: Mapping[str, Tensor], *, precision: str
) -> Path:
    """Writes ``<name>.safetensors`` atomically and returns its path.

    ``precision`` is of floating tensors: ``float32``, ``float16`` or ``int8``, in which large
    matrices and kernels are integers with a float16 scale a row and the rest is float16. Tensors
    outside the range of float16, such as lower bounds of probabilities, stay float32.
    """
    from safetensors.torch import save

    ready = {}
    for key, tensor in tensors.items():
        for name_of_part, part in _stored(key, tensor.detach().cpu(), precision).items():
            ready[name_of_part] = part.contiguous().clone()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    temporary = path.with_suffix(".safetensors.new")
    raw = save(ready, {"codec": codec, "name": name, "format": FORMAT})
    try:
        temporary.write_bytes(_with_sorted_header(raw))
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(path)
    return path


def _stored(key: str, tensor: Tensor, precision: str) -> dict[str, Tensor]:
    """What the file holds for a tensor."""
    import torch

    if not tensor.is_floating_point():
        return {key: tensor}
    largest = float(tensor.abs().max()) if tensor.numel() else 0.0
    fits = largest == 0 or _HALF_RANGE[0] < largest < _HALF_RANGE[1]
    if precision == "float32" or not fits:
        return {key: tensor.to(torch.float32)}
    if precision == "float16" or tensor.ndim < 2 or tensor.numel() < _LEAST_INTEGERS:
        return {key: tensor.to(torch.float16)}
    rows = tensor.float().flatten(1)
    scale = (rows.abs().amax(1, keepdim=True) / 127).clamp_min(_HALF_RANGE[0] / 127).half()
    integers = torch.round(rows / scale.float()).clamp(-127, 127).to(torch.int8)
    return {key: integers.view_as(tensor), key + _SCALE: scale.flatten()}


def _restored(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file with integers multiplied out; exact, so the same on every machine."""
    import torch

    out = {}
    for key, tensor in tensors.items():
        if key.endswith(_SCALE):
            continue
        scale = tensors.get(key + _SCALE)
        if scale is not None:
            rows = tensor.to(torch.float32).flatten(1) * scale.to(torch.float32)[:, None]
            tensor = rows.view(tensor.shape)
        out[key] = tensor.to(torch.float32) if tensor.is_floating_point() else tensor
    return out


def _with_sorted_header(raw: bytes) -> bytes:
    """The safetensors file with the keys of its header in order: the library writes metadata in
    random order, and the same weights are to be the same file."""
    length = int.from_bytes(raw[:8], "little")
    header = json.dumps(json.loads(raw[8 : 8 + length]), sort_keys=True, separators=(",", ":"))
    padded = header.encode() + b" " * (-len(header.encode()) % 8)
    return len(padded).to_bytes(8, "little") + padded + raw[8 + length :]


def save_model_card(path: Path, facts: Mapping[str, object]) -> None:
    """Writes the model card of a weight file: ``<name>.json`` beside it, with the file's hash."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    text = json.dumps({"file": path.name, "sha256": digest, **facts}, indent=1, ensure_ascii=False)
    path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


def weights_digest(card: CodecCard, name: str = MODEL) -> str:
    """sha256 of a weight file, for ``Codec.versions``; raises Unavailable if it is missing."""
    return hashlib.sha256(check_weights(card, name).read_bytes()).hexdigest()
