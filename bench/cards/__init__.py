"""Cards: the TOML files that register codecs and data sets with their suites. Data alone: what
builds a codec or a loader of them lies with the codecs and the data sets."""

from bench.cards.codec import CodecCard, read_codec
from bench.cards.dataset import DataFile, DatasetCard, read_dataset
from bench.cards.registry import Registry, builtin_folder, load_registry
from bench.cards.toml import Settings

__all__ = [
    "CodecCard",
    "DataFile",
    "DatasetCard",
    "Registry",
    "Settings",
    "builtin_folder",
    "load_registry",
    "read_codec",
    "read_dataset",
]
