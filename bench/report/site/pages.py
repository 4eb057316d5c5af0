"""The pages of the site: front page, suites without records, codecs, and how numbers are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from bench import __version__
from bench.machine import file_digest
from bench.report.html.page import resource
from bench.report.site.markup import drawing, items, link, node, page, pairs, prose, table
from bench.report.site.suites import SuitePage, slug
from bench.results.run_info import CodecInfo, shortened
from bench.results.vault_file import Vault

ABOUT = (
    f"Made by bench {__version__} from stored records: every rate is that of a stream that was "
    "decoded, every quality is of what was decoded. This site loads nothing from elsewhere."
)


def suite_address(suite: SuitePage) -> str:
    return f"suites/{suite.name}.html"


def codec_address(codec: str) -> str:
    return f"codecs/{slug(codec)}.html"


def day(moment: str) -> str:
    """The date of a time such as ``2026-11-30T18:31:19+00:00``."""
    return moment.partition("T")[0]


def front_page(
    suites: Sequence[SuitePage], vaults: Sequence[tuple[Vault, str]], names: Mapping[str, str]
) -> str:
    """``vaults`` with their addresses, ``names`` the codecs' by id."""
    rows = [
        [
            node("div", link(suite.run.suite_title, suite_address(suite)),
                 node("div", suite.run.dataset_title, class_="hint")),
            drawing(suite.plot) if suite.plot else "–", str(suite.run.items),
            str(len(suite.run.codecs)), names.get(suite.run.anchor or "", "–"),
            suite.best() or "–", day(suite.run.finished), suite.run.bench,
        ]
        for suite in suites
    ]  # fmt: skip
    columns = ["Suite", "Curves", "Items", "Codecs", "Anchor", "Lowest BD-rate"]
    columns += ["Measured", "bench"]
    body = [
        node("p", f"{len(suites)} suites of {len(names)} codecs and variations. Rates are of whole "
             "streams, qualities of what they decode to; BD-rates are against each suite's anchor, "
             "negative saves bits, in brackets the 95 % interval."),
        node("div", table(columns, rows, fixed=(1,), keys=[suite.name for suite in suites]),
             class_="suites"),
        node("h2", "Codecs", id="codecs"),
        table(["Codec", "Id", "Suites"], [
            [link(name, codec_address(codec)), codec,
             node("span", *_joined([link(suite.name, suite_address(suite)) for suite in suites
                                    if suite.info(codec)]))]
            for codec, name in names.items()
        ]),
        node("h2", "Downloads", id="vaults"),
        items([*_downloads(suites), *(_vault(*one) for one in vaults)]),
    ]  # fmt: skip
    return page("Rate–distortion of image and video codecs", body, root="", about=ABOUT)


def _joined(links: Sequence[Element]) -> list[Element | str]:
    return [one for place, each in enumerate(links) for one in ([", "] * bool(place) + [each])]


def _downloads(suites: Sequence[SuitePage]) -> list[Element]:
    return [
        node("span", f"{suite.run.suite_title}: ",
             link(f"{suite.name}.zip", f"files/{suite.name}.zip"),
             ", with its tables, records, curves for PGFPlots and plots")
        for suite in suites
    ]  # fmt: skip


def _vault(vault: Vault, address: str) -> Element:
    """``address`` is empty for a vault that is too large for this site."""
    name, size = vault.path.name, vault.path.stat().st_size / 1e6
    codecs = ", ".join(info.id for info in vault.run.codecs)
    place = "" if address else f", not on this site for its size, SHA-256 {file_digest(vault.path)}"
    return node(
        "span", "Vault ", link(name, address) if address else name, f" ({size:.1f} MB{place})"
        f": streams of {codecs} on {vault.run.dataset_title}, measured by {vault.by}, "
        f"{day(vault.run.finished)}; ", node("code", "bench vault verify"), " decodes them again",
    )  # fmt: skip


def files_section(suite: SuitePage, files: Sequence[str]) -> Element:
    """What of a suite can be taken away, on its page; ``files`` are addresses from there."""
    listed = [
        link(f"{suite.name}.zip, all of them", f"../files/{suite.name}.zip"),
        *(link(address.rpartition("/")[2], address) for address in files),
    ]
    return node(
        "section", node("h2", "Downloads"), items(listed), id="downloads", data_title="Downloads"
    )


def above(suite: SuitePage) -> Element:
    """The way back and the dates, above a suite's report."""
    run = suite.run
    days = " to ".join(dict.fromkeys((day(run.started), day(run.finished))))
    return node(
        "p", link("All suites", "../index.html"), " · ",
        link("How numbers are made", "../methods.html"),
        f" · measured {days} with bench {run.bench}",
        class_="hint",
    )  # fmt: skip


def tables_page(suite: SuitePage, files: Sequence[str], plots: Sequence[str]) -> str:
    """A suite whose records are not there: its tables as its report wrote them."""
    links = {row[0]: codec_address(codec)
             for codec, row in zip(suite.codecs, suite.summary.rows, strict=False)}  # fmt: skip

    def named(rows: Sequence[Sequence[str]]) -> list[list[Element | str]]:
        return [[link(row[0], f"../{links[row[0]]}") if row[0] in links else row[0], *row[1:]]
                for row in rows]  # fmt: skip

    figure = node("div", drawing(suite.plot, width=420, height=250), class_="figure") if (
        suite.plot) else node("p")  # fmt: skip
    body = [
        above(suite), prose(suite.missing, class_="mind"),
        node("h2", "Summary"), table(suite.summary.columns, named(suite.summary.rows)), figure,
        *(part for heading, said in suite.sentences.items()
          for part in (node("h2", heading), items(list(said)))),
        node("h2", "Plots"), items([link(one.rpartition("/")[2], one) for one in plots]),
        files_section(suite, files),
        node("h2", "All points"), table(suite.points.columns, named(suite.points.rows)),
    ]  # fmt: skip
    return page(suite.run.suite_title, body, root="../", about=ABOUT)


def codec_page(codec: str, names: Mapping[str, str], suites: Sequence[SuitePage]) -> str:
    """A codec in every suite that measured it; ``names`` of all codecs by id."""
    rows: list[list[Element | str]] = []
    for suite in suites:
        shown = next((one for one in suite.codecs if one.startswith(codec) and
                      suite.info(one) is suite.info(codec)), codec)  # fmt: skip
        rows.append([
            link(suite.run.suite_title, f"../{suite_address(suite)}"),
            names.get(suite.run.anchor or "", "–"),
            suite.bd_heading.removeprefix("BD-rate ").removesuffix(", %") or "–",
            *(suite.cell(shown, start) or "–"
              for start in ("BD-rate", "Points", "Rate", "Encode", "Decode")),
            day(suite.run.finished), suite.run.bench,
        ])  # fmt: skip
    columns = ["Suite", "Anchor", "Quality", "BD-rate, %", "Points", "Rate"]
    columns += ["Encode, s", "Decode, s", "Measured", "bench"]
    infos = {suite.name: info for suite in suites if (info := suite.info(codec)) is not None}
    body = [
        node("h2", "In the suites"), table(columns, rows),
        node("h2", "What it is, and with which settings"), *_described(codec, infos),
    ]  # fmt: skip
    return page(names[codec], body, root="../", about=ABOUT)


def _described(codec: str, infos: Mapping[str, CodecInfo]) -> list[Element]:
    """What the runs say of it, together for suites that say the same."""
    groups: dict[str, tuple[CodecInfo, list[str]]] = {}
    for suite, info in infos.items():
        # without the command, which names the size of each suite's pictures
        key = repr((info.title, info.settings, info.versions, info.source, info.device))
        groups.setdefault(key, (info, []))[1].append(suite)
    parts = []
    for info, where in groups.values():
        if len(groups) > 1:
            parts.append(node("h3", f"In {', '.join(where)}"))
        parts.append(pairs([
            ("id", codec), ("title", info.title), ("settings", _listed(info.settings)),
            ("points", ", ".join(info.ladder)), ("first command", info.command),
            ("same bytes each time", "yes" if info.deterministic else "no"),
            *((key, str(value)) for key, value in info.source.items()),
            *((f"version of {key}", shortened(value)) for key, value in info.versions.items()),
            ("device", info.device), ("complexity", _listed(info.complexity)),
        ]))  # fmt: skip
    return parts


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(
        f"{key} {value:.6g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in values.items()
    )


def methods_page(suites: Sequence[SuitePage]) -> str:
    """The rules that hold for all, and how each suite was run."""
    rules = resource("bench.report.site", "rules.txt").strip().split("\n\n")
    rows: list[list[Element | str]] = [
        [link(suite.run.suite_title, suite_address(suite)), day(suite.run.finished),
         suite.run.bench, " ".join(suite.run.command),
         ", ".join(f"{key} {value}" for key, value in suite.run.machine.items()), suite.run.timing]
        for suite in suites
    ]  # fmt: skip
    body = [
        items([" ".join(rule.split()) for rule in rules]),
        node("h2", "Each suite"),
        table(["Suite", "Measured", "bench", "Command", "Machine", "Times"], rows),
    ]
    return page("How numbers are made", body, root="", about=ABOUT)
