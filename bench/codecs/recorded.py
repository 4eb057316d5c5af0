"""Work of other programs, measured after the fact: streams that exist with a decoder, or
reconstructions with the sizes that were reported for their streams.

Encodes nothing: times of encoding are never recorded. Reported sizes are marked as such. Decoders
run in processes of their own.
"""

from __future__ import annotations

import csv
import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bench import colour
from bench.codecs.base import ANY_LADDER, Allowed, AnyValue, Choice, CodecBase, Encoded, Text
from bench.codecs.foreign.codec import Apart
from bench.codecs.foreign.messages import signal_of
from bench.codecs.support import exchange
from bench.codecs.support.programs import has_written
from bench.codecs.support.recorded_clips import (
    FORMATS,
    MATRICES,
    PLANES,
    RANGES,
    Convention,
    contents,
)
from bench.codecs.support.template import COMMAND, Template, parse_template
from bench.errors import CardError, CodecError, Unavailable
from bench.processes import isolation
from bench.signals import Layout, Signal

if TYPE_CHECKING:
    from bench.cards import CodecCard
    from bench.records import Point

_FUNCTION = "bench.codecs.foreign.function_backend"
_OF_FILES = frozenset({"output", "size", "format", "matrix", "range"})
"""Settings that say what decoded files are."""
_COLUMNS = ("item", "point", "bytes")


class Recorded(CodecBase):
    """Settings: ``streams``, a file name with ``{item}`` and ``{point}`` in it, and ``decode``, a
    command with ``{bitstream}`` and ``{output}``, or ``decoder``, a class or function in Python
    that turns the bytes into uint8 ``(H, W)``, ``(H, W, 3)`` or, of clips, one axis more.

    Or ``reconstructions``, a file name of the same kind, and ``sizes``, a CSV with the columns
    item, point and bytes: the rate is then as reported. Clips are Y4M, raw YUV (``format``, and
    ``size`` where it is not the source's) or folders of PNG; for RGB sources planes need a
    ``matrix`` and a ``range``, which Y4M may say itself. Relative names are below the current
    folder or that of the card; ``{item}`` is the item's name with or without its suffix.
    """

    parameters: ClassVar[Mapping[str, Allowed]] = {
        ANY_LADDER: AnyValue(),
        "streams": Text("streams/{item}-{point}.bin"),
        "decode": COMMAND,
        "decoder": Text("package.module:decode"),
        "output": Choice((*exchange.PICTURES, "y4m", "yuv", "folder")),
        "size": Text("416x240"),
        "format": FORMATS,
        "matrix": MATRICES,
        "range": RANGES,
        "reconstructions": Text("decoded/{item}-{point}.png"),
        "sizes": Text("sizes.csv"),
    }

    def __init__(self, card: CodecCard, *, device: str = "cpu") -> None:
        super().__init__(card, device=device)
        given = frozenset(card.settings) - _OF_FILES
        told = {key: card.settings[key] for key in _OF_FILES - {"output"} if key in card.settings}
        self._convention = Convention(card.id, **told)
        allowed = ({"streams", "decode"}, {"streams", "decoder"}, {"reconstructions", "sizes"})
        if given not in allowed:
            raise CardError(
                f"codec {card.id}: settings are {', '.join(sorted(given)) or 'none'}; give streams "
                "with decode or decoder, or reconstructions with sizes"
            )
        self._key = "streams" if "streams" in given else "reconstructions"
        self._pattern = str(card.settings[self._key])
        for field in re.findall(r"\{(\w+)\}", self._pattern):
            if field not in ("item", "point"):
                raise CardError(
                    f"codec {card.id}: {self._key} has the unknown placeholder {{{field}}}; "
                    "write {item} and {point}"
                )
        for field in ["item"] + ["point"] * (len(card.ladder) > 1):
            if f"{{{field}}}" not in self._pattern:
                raise CardError(
                    f"codec {card.id}: {self._key} {self._pattern!r} names one file for every "
                    f"{field}; put {{{field}}} into it"
                )

    @property
    def reported(self) -> bool:
        """Whether sizes are taken from a table, not from streams."""
        return self._key == "reconstructions"

    def check_available(self) -> None:
        if "decode" in self.settings:
            self._command.program()
        if self._decoder is not None:
            self._decoder.decoder("check_available")
        if self.reported:
            assert self._sizes is not None
        if not self._files():
            raise Unavailable(f"codec {self.card.id}: no file is like {self._pattern}; make them")

    def reads(self) -> tuple[Path, ...]:
        return self._command.places() if "decode" in self.settings else ()

    def versions(self) -> Mapping[str, str]:
        """A mark of all files: their names, sizes and times of change."""
        digest = hashlib.sha256(repr(sorted(self._sizes.items()) if self.reported else "").encode())
        for path in self._files():
            for entry in contents(path):
                digest.update(repr(entry).encode())
        said = {"colour": self._convention.words, **colour.CHROMA_RESAMPLING}
        releases = {} if self._decoder is None else self._decoder.code()[0]
        found = {**releases, self._key: digest.hexdigest()[:16]}
        return {**found, **(said if self._planes else {})}

    def refusal(self, layout: Layout) -> str | None:
        if self._planes and layout.samples == "rgb" and self._convention.matrix is None:
            return (
                f"{self.card.id}: its files are planes and the source is RGB: say how they were "
                'made, matrix = "bt709" and range = "full"'
            )
        return None

    @property
    def _planes(self) -> bool:
        name = self._pattern if self.reported else f"decoded.{self._output}"
        return Path(name).suffix in PLANES

    def encode(self, signal: Signal, point: Point) -> Encoded:
        """Looks up what was made of ``signal.name``. Raises Unavailable if nothing was."""
        path = self._file(signal.name, point)
        if not self.reported:
            return Encoded(path.read_bytes(), coded_here=False)
        known = (self._sizes.get(spelled) for spelled in _spelled(signal.name, point))
        size = next(filter(None, known), None)
        if size is None:
            raise Unavailable(
                f"codec {self.card.id}: {self.settings['sizes']} has no row for {signal.name}, "
                f"{point.value}"
            )
        return Encoded.as_reported(self._convention.read(path, signal.layout), size)

    def decode_afresh(self, payload: bytes) -> Signal:
        with nullcontext() if self._decoder is None else self._decoder.another_decoder():
            return self.decode(payload)

    def decode(self, payload: bytes) -> Signal:
        if self._decoder is not None:
            answer = self._decoder.decoder("decode", payload)
            return signal_of(answer.result, answer.blobs)
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            bitstream, output = Path(name) / "coded.bin", Path(name) / f"output.{self._output}"
            if self._output == "folder":
                output = Path(name) / "output"
                output.mkdir()
            bitstream.write_bytes(payload)
            facts = {"bitstream": str(bitstream), "output": str(output)}
            said = self._command.run(facts, Path(name), self.card.reads)
            if not _written(output):
                program = self._command.words[0]
                raise CodecError(f"{self.card.id}: {program} wrote no output: {said}")
            return _held(self._convention.read(output))

    @property
    def _output(self) -> str:
        return str(self.settings.get("output", "png"))

    @cached_property
    def _command(self) -> Template:
        command = parse_template(self.card.id, "decode", self.settings["decode"])
        command.check_placeholders("decode", {"bitstream", "output"})
        return command

    @cached_property
    def _decoder(self) -> Apart | None:
        """The process of a decoder in Python."""
        word = self.settings.get("decoder")
        opening = {"codec": f"codec {self.card.id}", "function": word}
        return None if word is None else Apart(self.card, _FUNCTION, opening)

    @property
    def isolation(self) -> str:
        return isolation.describe()

    def code(self) -> Mapping[str, str]:
        return {} if self._decoder is None else self._decoder.code()[1]

    @cached_property
    def _sizes(self) -> Mapping[tuple[str, str], int]:
        """Bytes by item and point. Raises CardError naming file, line and value."""
        path = self._place(str(self.settings["sizes"]))
        found: dict[tuple[str, str], int] = {}
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file)
                if missing := [key for key in _COLUMNS if key not in (reader.fieldnames or ())]:
                    raise CardError(f"{path}: column {missing[0]!r} is missing; add it")
                for row in reader:
                    size = row["bytes"] or ""
                    where = f"{path}: line {reader.line_num}"
                    if not (size.isascii() and size.isdigit() and int(size)) or len(size) > 18:
                        raise CardError(f"{where}: bytes is {size!r}, not a whole number above 0")
                    key = row["item"], row["point"]
                    if key in found or None in row:
                        what = f"{key[0]}, {key[1]} twice" if key in found else "too many cells"
                        raise CardError(f"{where}: {what}; correct the table")
                    found[key] = int(size)
        except (UnicodeDecodeError, csv.Error) as error:
            raise CardError(f"{path}: cannot be read as a table: {error}") from error
        except OSError as error:
            raise Unavailable(f"codec {self.card.id}: {path} cannot be read: {error}") from error
        return found

    def _place(self, name: str) -> Path:
        """A named file below the current folder, else below that of the card."""
        path = Path(name).expanduser()
        return path if path.is_absolute() or path.exists() else self.card.folder / path

    def _files(self) -> list[Path]:
        """All files like the pattern."""
        pattern = re.sub(r"\{\w+\}", "*", self._pattern)
        for folder in (Path(), self.card.folder):
            if found := sorted(folder.glob(pattern) if not Path(pattern).is_absolute() else []):
                return found
        absolute = Path(pattern)
        return sorted(absolute.parent.glob(absolute.name)) if absolute.is_absolute() else []

    def _file(self, item: str, point: Point) -> Path:
        tried = []
        for name, word in _spelled(item, point):
            filled = self._pattern.replace("{item}", name).replace("{point}", word)
            tried.append(filled)
            path = self._place(filled)
            if path.exists():
                return path
        raise Unavailable(
            f"codec {self.card.id}: {min(tried, key=len)} is missing; make it or drop the point"
        )


def _written(output: Path) -> bool:
    """Whether a program wrote a file, or nothing but files into a folder, and no links."""
    if output.is_dir() and not output.is_symlink():
        return all(map(has_written, output.iterdir()))
    return has_written(output)


def _held(signal: Signal) -> Signal:
    """With its frames in memory: the file that they were read from goes."""
    frames = [np.array(frame) for frame in signal.frames()]
    return Signal(signal.layout, lambda: iter(frames))


def _spelled(item: str, point: Point) -> Iterator[tuple[str, str]]:
    """An item's name and a point as files and tables may have them."""
    return product((item, Path(item).stem), (str(point.value), str(point)))
