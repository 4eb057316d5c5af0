"""What every column of the tables that a run leaves means; `bench list columns` prints it.

Holds words only; the columns themselves are defined where they are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.records import COLUMNS, ENERGY

_LABELS = {
    "suite": "the suite, or `input`",
    "dataset": "the data set",
    "codec": "the codec as it was asked for, settings included",
    "point": "the operating point, `key=value`",
}
RECORDS: Mapping[str, str] = {
    **_LABELS,
    "item": "the picture, clip or block of vectors",
    "status": "`done`, `failed`, `timeout` or `skipped`; all but the first with a reason",
    "width": "pixels",
    "height": "pixels; for vectors their number",
    "frames": "frames; 1 for a picture",
    "channels": "1 for gray and vectors, 3 for colour",
    "bytes": "all that a decoder needs besides the codec itself",
    "header_bytes": "the part of `bytes` that is no picture content, where it can be told",
    "discarded_bytes": "what the encoder wrote and no decoder needs, not in `bytes`",
    "bpp": "8·`bytes` over width·height·frames; for vectors bits per symbol",
    "bpp_estimated": "the estimate of a learned codec: entropy, likelihood or KL, never a size",
    "encode_seconds": "wall time of encoding, entropy coding included",
    "decode_seconds": "wall time of decoding",
    "bitstream_sha256": "hash of the payload",
    "reason": "why there are no numbers, or none of quality",
    "psnr_rgb_ceiling": "PSNR of the codec's colour conversion alone, without coding",
    "lossless": "`true`: the decoded pixels equal the source's; only for codecs that claim it",
    "parallel": "how many tasks ran at the same time; times with more than one are not ranked",
    "encode_cpu_seconds": "CPU time of encoding, child processes included",
    "decode_cpu_seconds": "CPU time of decoding, child processes included",
    "encode_spread_seconds": "interquartile range of the repeats of `--timing`",
    "decode_spread_seconds": "interquartile range of the repeats of `--timing`",
    "repeats": "how often each call was timed",
    "reached": "the parameter that came closest to a target rate",
    "bpp_likelihood": "likelihood of the coded symbols, where `bpp_estimated` is another estimate",
    "fingerprint": "hash of all that the result depends on; records of two are never pooled",
    "remarks": "why columns have no value; `rate`: an estimate that is far from the stream",
    "rate": "`estimated` or `reported` where no stream was decoded, else empty",
    "frames_identical": "of a clip: frames whose decoded samples equal the source's; each counts "
    "100 dB in the clip's mean PSNR",
    "worst_frame": "of a clip: the frame with the largest mse, counted from 0",
    "group": "the source that the item shares with others, such as one production, where known",
    "frame_bytes": "of a clip: bytes of each frame, of a model that tells them as it codes; "
    "frames.csv has them of all codecs",
    "format": "pixel format of the item as ffmpeg names it, then its matrix and range if it says "
    "them; YUV that says no range is taken as limited",
    "kbps": "of a clip: 1000 bits a second at its frame rate, 25 frames where nothing says it",
    "encode_fps": "of a clip: frames over `encode_seconds`",
    "decode_fps": "of a clip: frames over `decode_seconds`",
    "encode_joules": "energy of encoding, of whole packages (RAPL) and boards (NVML), where "
    "`--timing` could measure it, else no column: mean of the timed calls",
    "decode_joules": "energy of decoding, likewise",
}
FRAMES: Mapping[str, str] = {
    "codec": _LABELS["codec"],
    "point": _LABELS["point"],
    "item": "the clip",
    "frame": "counted from 0 in the order of display",
    "type": "`I`, `P` or `B`, where the codec tells",
    "bytes": "of the access unit, temporal unit or packet that the frame is coded in, parameter "
    "sets before it included; side information of the harness belongs to no frame",
}
CURVES: Mapping[str, str] = {
    **_LABELS,
    "items": "finished items that the means run over",
    "bpp": "mean over items; empty where there is only an estimate",
    "bpp_pooled": "all bits over all pixels",
    "bpp_estimated": "mean over items",
    "psnr_rgb_pooled": "PSNR of the mean MSE of the set",
    "ssim_db": "−10·log10(1 − mean SSIM)",
    "ms_ssim_db": "−10·log10(1 − mean MS-SSIM)",
    "encode_seconds": "mean over items",
    "decode_seconds": "mean over items",
    "items_expected": "items that the codec was to be measured on",
    "items_failed": "items whose record is not `done`",
    "psnr_rgb_infinite": "items whose decoded pixels equal the source's",
    "psnr_rgb_ceiling": "mean over items",
    "bytes": "mean over items",
    "header_bytes": "mean over items",
    "discarded_bytes": "mean over items",
    "bpp_interval": "half the width of the 95 % interval of the mean over items",
    "psnr_rgb_interval": "half the width of the 95 % interval of the mean over items",
    "pixels": "width·height·frames, mean over items",
    "parallel": "the most tasks that ran at the same time",
    "bpp_likelihood": "mean over items",
    "frames_identical": "of all clips together",
    "kbps": "of clips: mean over items",
    "encode_fps": "of clips: mean over items",
    "decode_fps": "of clips: mean over items",
}
_BD = {
    "suite": "the suite",
    "metric": "the axis of quality",
    "anchor": "the codec that is compared with",
    "codec": "the codec that is compared",
}
BD: Mapping[str, str] = {
    **_BD,
    "items": "items that both curves hold",
    "bd_rate": "percent of rate at equal quality, mean curves, PCHIP; negative saves bits",
    "bd_rate_low": "lower end of its 95 % interval, paired bootstrap over items, by their groups",
    "bd_rate_high": "upper end of its 95 % interval",
    "significant": "whether the interval leaves out 0",
    "bd_quality": "difference of quality at equal rate, in the metric's unit; more is better",
    "overlap": "percent of both quality ranges that they share",
    "spread_low": "lowest BD-rate under other conventions",
    "spread_high": "highest BD-rate under other conventions",
    "warnings": "why the number is missing or to be doubted",
    "hull_rate": "BD-rate of the convex hulls, only where there is no `bd_rate` for want of "
    "monotonic curves or of overlap",
    "bd_rate_without_headers": "BD-rate without header bytes on both sides, only where both tell "
    "them and they are more than a tenth of the rate of either",
    "point_rate": "of a single point against a curve: percent of rate at its quality",
    "point_rate_low": "lower end of its 95 % interval",
    "point_rate_high": "upper end of its 95 % interval",
    "point_quality": "of a single point against a curve: difference of quality at its rate",
}
BD_MATRIX: Mapping[str, str] = {
    **_BD,
    "bd_rate": "percent of rate at equal quality",
    "overlap": "percent of both quality ranges that they share",
    "items": "items that both curves hold",
}
BD_CLIPS: Mapping[str, str] = {
    **_BD,
    "class": "the group of the clips; empty where they have none, and of all clips",
    "clip": "one clip; empty of a class and of all clips",
    "clips": "clips that have a BD-rate",
    "bd_rate": "percent of rate at equal quality, PCHIP: of the clip, or the mean of the clips",
    "bd_rate_classes": "of all clips: the mean of the classes' `bd_rate`",
    "bd_rate_curve": "that of the mean curve of these clips",
}
_AVERAGING = {"mean": "mean curves", "pooled": "pooled curves", "item": "each item, then the mean"}


def meaning(table: Mapping[str, str], column: str, metrics: Mapping[str, str]) -> str:
    """What a column means; ``metrics`` are their definitions by id. Raises KeyError."""
    if column in table:
        return table[column]
    averaging, _, method = column.partition("_")
    if table is BD and averaging in _AVERAGING:
        return f"BD-rate of {_AVERAGING[averaging]}, {method}"
    return metrics[column]


def tables(metrics: Mapping[str, str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(file, [(column, meaning)]) of every table, in their order."""
    from bench.analysis.curves import CURVE_COLUMNS
    from bench.report import class_tables
    from bench.report.tables import BD_COLUMNS, MATRIX_COLUMNS
    from bench.results import frames

    for name, known, columns in (
        ("records.csv", RECORDS, (*COLUMNS, *ENERGY)),
        (frames.FILE, FRAMES, frames.COLUMNS),
        ("curves.csv", CURVES, CURVE_COLUMNS),
        ("bd.csv", BD, BD_COLUMNS),
        (class_tables.FILE, BD_CLIPS, class_tables.COLUMNS),
        ("bd_matrix.csv", BD_MATRIX, MATRIX_COLUMNS),
    ):
        yield name, [(column, meaning(known, column, metrics)) for column in columns]
