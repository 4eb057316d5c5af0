"""The sentences below a table: averaging, colour path, presets, versions, data and fresh decodes.

Says what a Content holds; computes nothing of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from bench.analysis.bd import LEAST_OVERLAP_PERCENT
from bench.analysis.bootstrap import RESAMPLES, drawn_by_groups
from bench.report.card_facts import card_notes
from bench.report.chroma import chroma_sentence
from bench.report.content import Content
from bench.results.frames import read_frames
from bench.results.rates import mark_sentences
from bench.results.run_info import Verdict, shortened

_OF_RGB = re.compile(r", (?:4:4:4|4:2:0|8 bits)(?=[,)])")
"""What titles say of RGB and gray alone: YUV is coded as it is."""
_USUAL_FORMATS = {"gray", "rgb24"}


def footnote(content: Content, *, codecs: bool = True) -> list[str]:
    """Sentences that let a number be quoted: averaging, colour path, and of the ``codecs`` presets
    and versions."""
    run = content.results.run
    word = content.item_word
    sentences = [
        f"{run.dataset_title}; measured on {content.counted(run.items)}. Rate counts every byte "
        f"that a decoder needs, in {content.rate_unit}; rate and quality are means over {word}.",
        *(sentence_of(note) for note in (*run.dataset_notes, *run.notes)),
        *_format_sentences(content),
        *_limit_sentences(content),
        *_frame_sentences(content),
        *mark_sentences((*content.results.codecs, *(one.codec for one in content.published))),
        *_metric_sentences(content),
    ]
    if content.bd.anchor is not None:
        anchor, drawn = content.name(content.bd.anchor), word
        if drawn_by_groups(content.groups):
            drawn = f"groups of {word} and {word} in them"
        sentences.append(
            f"BD-rate against {anchor}: log rate, PCHIP on the mean curves "
            "over their common quality range, negative saves bits; in brackets the 95 % interval "
            f"of a paired bootstrap over {drawn} ({RESAMPLES} resamples), no narrower "
            "than the jackknife's, n.s.: not significant; spread: lowest "
            f"and highest over the mean curve, the pooled curve and the mean of the {word}' own "
            "BD-rates, each with PCHIP, cubic and Akima, where it can be computed. There is no "
            f"BD-rate of curves that are not monotonic or share less than {LEAST_OVERLAP_PERCENT:g}"
            " % of their qualities, only by its name that of their convex hulls; no headers: "
            "without header bytes on both sides, where they are more than a tenth of a rate; "
            "1 point: rate at its quality, quality at its rate."
        )
    ceilings = content.curves.groupby("codec", observed=True)["psnr_rgb_ceiling"].min().dropna()
    if len(ceilings):
        low = ", ".join(
            f"{content.name(str(name))} {value:.1f} dB" for name, value in ceilings.items()
        )
        sentences.append(
            "Colour: RGB reaches YUV codecs as BT.709, full range, 4:4:4 unless a setting says "
            f"otherwise; PSNR of that conversion without coding: {low}."
        )
    if halved := chroma_sentence(content):
        sentences.append(halved)
    described = [text for codec in content.results.codecs if (text := describe(content, codec))]
    if codecs and described:
        sentences.append("Codecs: " + "; ".join(described) + ".")
    sentences += card_notes(content.results.codecs)
    return [*sentences, *_proof_sentences(run.verdicts), *_unproved(content), run.timing]


def sentence_of(note: str) -> str:
    """A note of a loader or a card with a capital letter and a full stop."""
    return f"{note[:1].upper()}{note[1:]}{'' if note.endswith('.') else '.'}"


_EIGHT = ("yuv420p", "yuv422p", "yuv444p")


def _format_sentences(content: Content) -> Iterator[str]:
    """Which pixel formats the items have, where they are other than 8-bit gray and RGB."""
    records = content.results.records
    each = records[["item", "format"]].dropna().drop_duplicates("item")["format"].astype(str)
    counts = each.value_counts()
    if set(counts.index) <= _USUAL_FORMATS:
        return
    told = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    said = f"Pixel formats of the {content.item_word}, which are compared as they are: {told}."
    eight = any(str(name).partition(" ")[0] in _EIGHT for name in each)
    infos = [content.results.info(codec) for codec in content.results.codecs]
    through = [one.id for one in infos if one is not None and one.settings.get("via") == "rgb"]
    if through:
        said += (
            f" {', '.join(through)} code YUV as 8-bit RGB, by the matrix and range that it says, "
            "else BT.709 and limited, and convert what they decode back; quality is that of the "
            "YUV samples, conversions included."
        )
    deep = [one.id for one in infos if one is not None and "output" in one.source]
    if eight and deep:
        said += (
            f" What {', '.join(deep)} decode at 10 bits of 8-bit items is rounded to 8 bits once; "
            "depth=10 compares at 10, as JVET does."
        )
    yield said


def _frame_sentences(content: Content) -> Iterator[str]:
    """Of which codecs nothing is known of the frames, as of results of earlier versions."""
    if content.results.run.media != "video":
        return
    table = read_frames(content.results.folders)
    told = set() if table is None else set(map(str, table["codec"].unique()))
    records = content.results.records
    measured = set(map(str, records.loc[records["status"] == "done", "codec"].unique()))
    named = [content.name(one) for one in content.results.codecs if one in measured - told]
    if named:
        whose = f" of {', '.join(named)}" if told else ""
        yield (
            f"frames.csv has nothing{whose}: the results are of a version that kept no values a "
            "frame; run with --fresh measures them, remeasure adds what further metrics say."
        )


def _limit_sentences(content: Content) -> Iterator[str]:
    """Which codecs the suite measures on its first items only, and over what they are compared."""
    results, word = content.results, content.item_word
    fewer: dict[int, list[str]] = {}
    for codec in results.codecs:
        if results.expected(codec) < results.run.items:
            fewer.setdefault(results.expected(codec), []).append(content.name(codec))
    if not fewer:
        return
    told = "; ".join(f"{', '.join(names)} on the first {n}" for n, names in fewer.items())
    said = f"Of {results.run.items} {word} the suite measures {told}."
    if content.bd.anchor is not None:
        said += f" A BD-rate is over the {word} that both codecs have."
    yield f"{said} Plots are over the {content.shared.results.run.items} that all have."


_PROOFS = {
    "fresh_decode": "streams gave the same pixels in a fresh process",
    "decoded_apart": (
        "points of codecs of others had every item decoded in a process that received no original"
    ),
}


def _proof_sentences(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """How many streams a fresh process decoded to the same pixels, and what it could see."""
    for check, words in _PROOFS.items():
        proofs = [verdict for verdict in verdicts if verdict.check == check]
        for kind in dict.fromkeys(verdict.isolation for verdict in proofs):
            of_kind = [one.passed for one in proofs if one.isolation == kind]
            how = kind or "how far it was isolated is not recorded"
            yield f"{sum(of_kind)} of {len(of_kind)} {words} ({how})."


def _unproved(content: Content) -> list[str]:
    """Which points have streams that no other process decoded: their run was stopped before."""
    records = content.results.records
    coded = records[(records["bytes"] > 0) & records["rate"].isna()]
    pairs = zip(map(str, coded["codec"]), map(str, coded["point"]), strict=True)
    judged = {(verdict.codec, verdict.point) for verdict in content.results.run.verdicts}
    left = dict.fromkeys(pair for pair in pairs if pair not in judged)
    counts = Counter(content.name(codec) for codec, _ in left)
    said = ", ".join(f"{name} {count}" for name, count in counts.items())
    if not said:
        return []
    return [f"Points that no fresh process has decoded (the same run again does): {said}."]


def describe(content: Content, codec: str) -> str:
    """Title, settings and versions of one codec: ``x265: H.265/HEVC (x265, veryslow, 4:4:4, 8 bits)
    (preset=veryslow, x265 4.1)``."""
    info = content.results.info(codec)
    if info is None:
        return ""
    title, keys = info.title, list(info.settings)
    formats = [str(one) for one in content.results.records["format"].dropna().unique()]
    if formats and not any(one.startswith(("rgb", "gbr")) for one in formats):
        title, keys = _OF_RGB.sub("", title), [key for key in keys if key != "chroma"]
    settings = [f"{key}={info.settings[key]}" for key in keys]
    versions = [f"{key} {shortened(value)}" for key, value in info.versions.items()]
    details = ", ".join([*settings, *versions])
    name = content.name(codec)
    called = codec if name == codec else f"{name} ({codec})"
    return f"{called}: {title} ({details})" if details else f"{called}: {title}"


def _metric_sentences(content: Content) -> list[str]:
    notes = (axis.info.footnote for axis in content.axes)
    sentences = list(dict.fromkeys(filter(None, notes)))
    if any(axis.id == "snr" for axis in content.axes):
        sentences.append("SNR is −10·log₁₀ MSE: the source has variance 1.")
    infinite = int(content.curves["psnr_rgb_infinite"].sum())
    if infinite:
        sentences.append(f"{infinite} measurements are lossless (infinite PSNR, 100 dB in means).")
    identical = int(content.curves["frames_identical"].sum())
    if identical:
        sentences.append(
            f"{identical} decoded frames of clips equal the source's (infinite PSNR, 100 dB in the "
            "mean of their clip)."
        )
    return [*sentences, *content.bd.versions]
