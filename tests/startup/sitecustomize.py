"""Lets every process of a test import ``bench.fakes``: codecs that misbehave in the process of the
engine, as a library behind an adapter of ours may, and not in one for code that is not ours."""

from pathlib import Path

import bench

bench.__path__.append(str(Path(__file__).resolve().parents[1]))
