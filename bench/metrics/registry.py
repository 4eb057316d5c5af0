"""The one table of metrics: built in, from installed packages and from plug-in files.

A row is a class with its info; what computes it is imported on first use. Measures nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from bench.cards import plugins
from bench.errors import UsageError, near_matches
from bench.metrics.base import ALWAYS
from bench.metrics.info import MetricInfo
from bench.records import OF_FRAMES, RESERVED

if TYPE_CHECKING:
    from bench.metrics.base import Metric
    from bench.signals import Layout

BUILT_IN = (
    "bench.metrics.basics:Mse",
    "bench.metrics.basics:PsnrRgb",
    "bench.metrics.basics:PsnrY",
    "bench.metrics.basics:PsnrYuv",
    "bench.metrics.basics:Ssim",
    "bench.metrics.basics:MsSsim",
    "bench.metrics.filter_metrics:Vmaf",
    "bench.metrics.basics:PsnrU",
    "bench.metrics.basics:PsnrV",
    "bench.metrics.basics:PsnrYPooled",
    "bench.metrics.basics:PsnrRgb709",
    "bench.metrics.basics:PsnrRgb601",
    "bench.metrics.basics:SsimY",
    "bench.metrics.basics:MsSsimY",
    "bench.metrics.filter_metrics:VmafNeg",
    "bench.metrics.filter_metrics:VmafV1",
    "bench.metrics.filter_metrics:Vmaf4k",
    "bench.metrics.filter_metrics:Xpsnr",
    "bench.metrics.filter_metrics:PsnrHvs",
    "bench.metrics.filter_metrics:Ciede",
    "bench.metrics.ssimulacra2:Ssimulacra2",
    "bench.metrics.butteraugli:Butteraugli",
    "bench.metrics.piq_metrics:Vif",
    "bench.metrics.piq_metrics:HaarPsi",
    "bench.metrics.lpips:LpipsAlex",
    "bench.metrics.lpips:LpipsVgg",
    "bench.metrics.dists:Dists",
    "bench.metrics.cvvdp:Cvvdp",
)
ENTRY_POINTS = "bench.metrics"

_table: dict[str, type[Metric]] = {}
_seen: dict[str, plugins.Plugin] = {}


def metrics() -> Mapping[str, type[Metric]]:
    """Every metric in sight, by id, in the order of the table."""
    if not _table:
        for path in BUILT_IN:
            module, _, name = path.partition(":")
            _add(getattr(importlib.import_module(module), name))
        _add_installed()
    for plugin in plugins.loaded():
        if _seen.get(plugin.name) != plugin:
            _seen[plugin.name] = plugin
            _add_plugin(plugin)
    return _table


def built_in() -> None:
    """Imports the metrics of the project."""
    for path in BUILT_IN:
        importlib.import_module(path.partition(":")[0])


def _add_installed() -> None:
    """The metrics of installed packages: each entry point names a class."""
    for entry in plugins.entry_points(ENTRY_POINTS):
        from bench.metrics.foreign import Source, metrics_of

        name = f"entry point {entry.name!r} of group {ENTRY_POINTS}"
        for metric in metrics_of(Source(name, attribute=entry.value)):
            _add(metric)


def _add_plugin(plugin: plugins.Plugin) -> None:
    """The metrics that a plug-in file defines, in the place of those of an earlier text of it."""
    from bench.metrics.foreign import Source, metrics_of

    for known in [one for one, metric in _table.items() if metric.__module__ == plugin.name]:
        del _table[known]
    for metric in metrics_of(Source(f"--plugin {plugin.path}", plugin)):
        _add(metric)


def versions_of(name: str) -> dict[str, str]:
    """What a metric's values depend on outside the project, by name."""
    metric = metrics()[name]
    return dict(metric.versions())


def _add(metric: type[Metric]) -> None:
    """Adds a metric to the table. Raises UsageError for an id that another class has, that is a
    column of records.csv, or that means something else in curves.csv."""
    info, owner = metric.info, f"{metric.__module__}:{metric.__qualname__}"
    if _table.get(info.id) is metric:
        return
    for known in _table.values():
        taken = _columns(known.info) & _columns(info)
        if taken:
            raise UsageError(
                f"metric {min(taken)!r} is claimed by both {known.__module__}:"
                f"{known.__qualname__} and {owner}; rename one"
            )
    if info.id in RESERVED:
        raise UsageError(f"metric {info.id!r} of {owner}: records.csv has a column of this name")
    _table[info.id] = metric


def _columns(info: MetricInfo) -> set[str]:
    """What no other metric may be called."""
    return {info.id, *info.derived, *(f"{info.id}_{end}" for end in OF_FRAMES)}


def info_of(name: str) -> MetricInfo:
    """The info of a metric id. Raises UsageError naming near matches."""
    if name not in metrics():
        raise UsageError(f"unknown metric {name!r}; {near_matches(name, metrics())}")
    return metrics()[name].info


def check_metrics(names: Iterable[str], where: str) -> tuple[str, ...]:
    """``names`` unchanged, or UsageError for one that cannot be measured, with near matches."""
    names = tuple(names)
    sources = {derived: name for name, one in metrics().items() for derived in one.info.derived}
    for name in names:
        if name in sources:
            raise UsageError(
                f"{where}: metric {name!r} is derived from others in curves.csv and cannot be "
                f"measured by itself; ask for {sources[name]!r}"
            )
        if name not in metrics():
            raise UsageError(f"{where}: unknown metric {name!r}; {near_matches(name, metrics())}")
    return names


def foreign_info(names: Iterable[str]) -> tuple[MetricInfo, ...]:
    """The info of those metrics that the project did not bring."""
    ours = {path.partition(":")[0] for path in BUILT_IN}
    chosen = (metrics()[name] for name in names)
    return tuple(one.info for one in chosen if one.__module__ not in ours)


def default_metrics(media: str, layouts: Iterable[Layout] = ()) -> tuple[str, ...]:
    """What is measured on a medium where no suite says it: all that has a value on samples of one
    of the ``layouts``, if there are any."""
    kinds = {layout.samples for layout in layouts}
    usual = [name for name, one in metrics().items() if one.info.default(media)]
    return tuple(one for one in usual if not kinds or kinds & {*info_of(one).samples})


def applicable(layout: Layout, names: Iterable[str]) -> tuple[str, ...]:
    """Those of ``names`` that have a value on signals of this layout, ``mse`` always and first."""
    asked = dict.fromkeys((ALWAYS, *names))
    return tuple(name for name in asked if info_of(name).refusal(layout) is None)
