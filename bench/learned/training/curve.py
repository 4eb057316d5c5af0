"""The loss curve of a training as CSV and PNG."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

Rows = Sequence[Mapping[str, float]]


def write_curve(path: Path, rows: Rows) -> None:
    """Writes ``path`` (CSV: step, seconds, then the losses) and the plot beside it (PNG)."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in rows)
    plot_curve(path.with_suffix(".png"), rows)


def plot_curve(path: Path, rows: Rows) -> None:
    """One panel per kind of loss over the steps."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    columns = list(dict.fromkeys(key for row in rows for key in row))
    shown = [key for key in columns if key not in ("step", "seconds")]
    figure, axes = plt.subplots(
        1, max(1, len(shown)), figsize=(3.2 * max(1, len(shown)), 2.6), squeeze=False
    )
    for axis, key in zip(axes[0], shown, strict=False):
        points = [(row["step"], row[key]) for row in rows if key in row]
        axis.plot(*zip(*points, strict=True), linewidth=1)
        axis.set(title=key, xlabel="step")
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)
