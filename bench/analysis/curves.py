"""Rate-distortion curves: records averaged over items, and the per-item grids behind them.

Says how many items each point holds; never compares codecs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.analysis.qualities import PSNR_CAP_DB, Floats, axis_of, psnr, qualities
from bench.records import ENERGY, is_of_frames

if TYPE_CHECKING:
    import pandas as pd

    from bench.results.reader import Results

Mask = NDArray[np.bool_]

CURVE_COLUMNS = tuple(
    "suite codec point items bpp bpp_pooled bpp_estimated mse psnr_rgb psnr_rgb_pooled psnr_y "
    "psnr_yuv ssim ms_ssim ms_ssim_db vmaf encode_seconds decode_seconds "
    "ssim_db items_expected items_failed psnr_rgb_infinite psnr_rgb_ceiling bytes header_bytes "
    "discarded_bytes bpp_interval psnr_rgb_interval pixels parallel bpp_likelihood "
    "frames_identical".split()
)
"""The contract's columns and, after ``decode_seconds``, our own. ``*_interval`` is half the width
of the 95 % interval of the mean over items; bytes and pixels are means over items. Further metrics
follow, each with its axis where that is another column, and of clips the worst frame by each."""

_WORST = {"_min": "min", "_max": "max"}
"""How the worst frames of clips become that of all clips, by the end of their column."""
_MEANS = (
    *("bpp", "bpp_estimated", "encode_seconds", "decode_seconds", "psnr_rgb_ceiling", "bytes"),
    *("header_bytes", "discarded_bytes", "pixels", "bpp_likelihood"),
)
_OF_CLIPS = ("kbps", "encode_fps", "decode_fps")


def mean_curves(results: Results) -> pd.DataFrame:
    """One row per (codec, point) with at least one record, columns ``CURVE_COLUMNS`` and those of
    further metrics.

    Means run over the finished items; ``items`` says how many these are and ``items_failed`` how
    many have a record that is not done. A column that does not apply is NaN.
    """
    import pandas as pd

    records = results.records
    key = ["codec", "point"]
    groups = records.groupby(key, observed=True, sort=True)
    counts = groups.size().rename("records").to_frame()
    done = _finished(records, [*key, *records.select_dtypes("number")])
    infinite = done["mse"].to_numpy() == 0
    pixels = (done["width"] * done["height"] * done["frames"]).to_numpy()
    finite_mse = done["mse"].to_numpy() * pixels
    done = done.assign(pixels=pixels, squared_error=finite_mse, infinite=infinite.astype(float))
    caps = _caps(results) | {"psnr_rgb_ceiling": PSNR_CAP_DB}
    done[list(caps)] = done[list(caps)].clip(upper=pd.Series(caps), axis=1)
    finished = done.groupby(key, observed=True, sort=True)
    sums = finished[["bytes", "pixels", "squared_error", "infinite"]].sum(min_count=1)
    energy = [name for name in ENERGY if name in done and done[name].notna().any()]
    table = counts.join(finished[[*_MEANS, *_OF_CLIPS, *energy, *results.metrics]].mean())
    table["items"] = finished.size()
    table["items"] = table["items"].fillna(0).astype(int)
    table["items_expected"] = [results.expected(str(codec)) for codec, _ in table.index]
    table["items_failed"] = table["records"] - table["items"]
    table["bpp_pooled"] = 8.0 * sums["bytes"] / sums["pixels"]
    table["psnr_rgb_infinite"] = sums["infinite"]
    table["psnr_rgb_infinite"] = table["psnr_rgb_infinite"].fillna(0).astype(int)
    pooled_mse = (sums["squared_error"] / sums["pixels"]).reindex(table.index).to_numpy()
    table["psnr_rgb_pooled"] = np.where(table["psnr_rgb"].notna(), psnr(pooled_mse), np.nan)
    known = qualities(results.run.metric_info)
    axes = [axis_of(known[name].info) for name in results.metrics if name in known]
    derived = [axis for axis in axes if axis.id != axis.column]
    for axis in derived:
        table[axis.id] = axis.of(table[axis.column].to_numpy())
    deviations = finished[["bpp", "psnr_rgb"]].std()
    for name in ("bpp", "psnr_rgb"):
        table[f"{name}_interval"] = 1.96 * deviations[name] / np.sqrt(table["items"].clip(lower=1))
    table["parallel"] = finished["parallel"].max()
    table["suite"] = results.run.suite
    table["frames_identical"] = finished["frames_identical"].sum(min_count=1)
    columns = [str(name) for name in done.columns]
    worst = [name for name in columns if is_of_frames(name, columns) and name[-4:] in _WORST]
    for name in worst:
        table[name] = finished[name].agg(_WORST[name[-4:]])
    clips = [name for name in _OF_CLIPS if table[name].notna().any()]
    own = (*results.metrics, *(axis.id for axis in derived), *worst, *clips, *energy)
    further = [name for name in own if name not in CURVE_COLUMNS]
    return table.reset_index()[[*CURVE_COLUMNS, *further]]


def _finished(records: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """These columns of what is done; no copy where that is all."""
    done = (records["status"] == "done").to_numpy()
    wanted = records[list(columns)]
    return wanted if done.all() else wanted[done]


def _caps(results: Results) -> dict[str, float]:
    """What identical samples count in means of the metrics that have no value for them."""
    known = qualities(results.run.metric_info)
    return {
        name: known[name].info.cap
        for name in results.metrics
        if name in known and known[name].scale == "linear" and known[name].info.cap < np.inf
    }


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """One codec's measurements as arrays: rows are items, columns are points, NaN where missing.

    ``values`` holds metric columns as recorded, capped where their info says so; ``bits`` is
    8·bytes; ``lossless`` marks the points at which all finished items have identical samples.
    ``averaged`` is a published curve of means: every row repeats them, so no item differs.
    ``expected`` is how many of the items it was to be measured on, where these are not all.
    ``header_bits`` are those of the bits that are no picture content, where they can be told.
    ``groups`` names the source that an item shares with others, empty where it shares none.
    """

    codec: str
    items: tuple[str, ...]
    points: tuple[str, ...]
    bpp: Floats
    bits: Floats
    pixels: Floats
    values: Mapping[str, Floats]
    infinite: Floats
    averaged: bool = False
    expected: int | None = None
    header_bits: Floats | None = None
    groups: tuple[str, ...] = ()

    @property
    def wanted(self) -> int:
        """How many of the items it was to be measured on."""
        return len(self.items) if self.expected is None else min(self.expected, len(self.items))

    @property
    def lossless(self) -> Mask:
        """For each point: every finished item decodes to identical pixels."""
        done = ~np.isnan(self.bpp)
        lossless: Mask = done.any(axis=0) & ((self.infinite > 0) == done).all(axis=0)
        return lossless

    def take(self, items: Mask | None, points: Mask | slice | list[int]) -> Grid:
        """The grid of some rows (boolean or index array, None for all) and columns."""
        chosen = np.arange(len(self.points))[points]
        if (items is None or items.all()) and len(chosen) == len(self.points):
            return self
        rows = slice(None) if items is None else items
        names = np.asarray(self.items, dtype=object)[rows]
        return Grid(
            self.codec,
            tuple(names),
            tuple(np.asarray(self.points, dtype=object)[points]),
            self.bpp[rows][:, points],
            self.bits[rows][:, points],
            self.pixels[rows],
            {name: values[rows][:, points] for name, values in self.values.items()},
            self.infinite[rows][:, points],
            self.averaged,
            self.expected,
            None if self.header_bits is None else self.header_bits[rows][:, points],
            tuple(np.asarray(self.groups, dtype=object)[rows]) if self.groups else (),
        )


def grids(results: Results) -> dict[str, Grid]:
    """The grid of every codec, all with the same items in the same order."""
    wanted = ("bpp", "bytes", "header_bytes", *results.metrics)
    labels = ("codec", "point", "item", "width", "height", "frames")
    done = _finished(results.records, [*labels, *wanted])
    items = results.records["item"].cat.remove_unused_categories().cat.categories
    rows = done["item"].cat.set_categories(items).cat.codes.to_numpy()
    pixels = np.full(len(items), np.nan)
    pixels[rows] = (done["width"] * done["height"] * done["frames"]).to_numpy()
    caps = _caps(results)
    groups = _groups(results, items)
    columns = {name: done[name].to_numpy(dtype=np.float64) for name in wanted}
    codes = done["codec"].cat.codes.to_numpy()
    points = done["point"].cat.codes.to_numpy()
    names = tuple(str(item) for item in items)
    point_names = [str(name) for name in done["point"].cat.categories]
    found = {}
    for code, codec in enumerate(results.codecs):
        chosen = np.flatnonzero(codes == code)
        present, column = np.unique(points[chosen], return_inverse=True)
        place = (rows[chosen], column)
        arrays = {name: np.full((len(names), len(present)), np.nan) for name in wanted}
        for name, array in arrays.items():
            array[place] = columns[name][chosen]
        infinite = (arrays["mse"] == 0).astype(np.float64)
        for name, cap in caps.items():
            arrays[name] = np.minimum(arrays[name], cap)
        found[codec] = Grid(
            codec,
            names,
            tuple(point_names[index] for index in present),
            arrays.pop("bpp"),
            8.0 * arrays.pop("bytes"),
            pixels,
            arrays,
            infinite,
            expected=results.expected(codec),
            header_bits=8.0 * arrays.pop("header_bytes"),
            groups=groups,
        )
    return found


def _groups(results: Results, items: pd.Index) -> tuple[str, ...]:
    """The group of each item, none where no record names one."""
    named = results.records[["item", "group"]].dropna().drop_duplicates("item")
    if named.empty:
        return ()
    known = {str(item): str(group) for item, group in named.to_numpy()}
    return tuple(known.get(str(item), "") for item in items)
