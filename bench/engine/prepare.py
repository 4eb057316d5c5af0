"""Before anything is measured: codecs are asked what they are, the store is told whose results it
shows, and what is left to do is planned. Measures nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace

from pebble import ProcessExpired

from bench.cards import CodecCard
from bench.cards.codec_specs import parse_point
from bench.datasets.base import Item
from bench.engine.campaign import Campaign
from bench.engine.describe import describe_codec
from bench.engine.metrics import Chosen, applying
from bench.engine.plan import Key, Plan, Probe, make_plan
from bench.engine.probe import probe
from bench.engine.work import WorkSpec
from bench.errors import BenchError
from bench.processes.pool import Pool, cause_of_death
from bench.records import Status, Stored, Task
from bench.results.run_folder import RunFolder
from bench.results.run_info import CodecInfo
from bench.results.store import Store

Probed = tuple[CodecCard, Probe]
_PROBE_SECONDS = 300.0
"""A network of 10^8 weights is imported, loaded and counted meanwhile, beside other programs."""


def probe_codecs(
    cards: Sequence[CodecCard],
    pool: Pool,
    device: str,
    await_one: Callable[[Sequence[Future[Probe]]], None],
    known: Sequence[CodecInfo],
    items: Sequence[Item],
) -> list[Probed]:
    """What each codec says of itself; ``await_one`` waits until one of some futures is over.
    ``known`` are the codecs of earlier runs into the same folder."""
    layout = next((item.layout for item in items if item.layout and not item.problem), None)
    futures = [pool.submit(probe, card, device, layout, timeout=_PROBE_SECONDS) for card in cards]
    for future in futures:
        await_one([future])
    found = [_probe_result(card, future) for card, future in zip(cards, futures, strict=True)]
    return [(card, one.with_known_code(known)) for card, one in zip(cards, found, strict=True)]


def register(
    campaign: Campaign, pairs: Sequence[Probed], store: Store, say: Callable[[str], None]
) -> None:
    """Tells the store whose results the folder shows from now on."""
    known = {info.id: info for info in store.codecs()}
    infos = [describe_codec(card, found) for card, found in pairs]
    for info in infos:
        if campaign.extends and info.id in known:
            info.refuse_other_ladder(str(store.folder), known[info.id])
    for index, (info, (_, found)) in enumerate(zip(infos, pairs, strict=True)):
        if not found.able and info.id in known:
            # what was measured while it was available keeps the versions of then
            infos[index] = replace(known[info.id], ladder=info.ladder, items=info.items)
    store.set_codecs(infos, add_points=campaign.extends)
    unseen = [] if campaign.extends else sorted(known.keys() - {card.id for card, _ in pairs})
    if unseen:
        say(
            f"not in the suite and so not in its report: {', '.join(unseen)}; "
            "name them with --codecs to see them again"
        )


def plan_tasks(
    pairs: Sequence[Probed],
    items: Sequence[Item],
    spec: WorkSpec,
    metrics: Chosen,
    folder: RunFolder,
    say: Callable[[str], None],
) -> Plan:
    """What is left for the codecs that can run; drops what is stored and no longer holds."""
    able = [(card, found) for card, found in pairs if found.able]
    done = folder.done(spec.keep, judged=spec.decode_again, repeats=spec.repeats)
    lacking = _lacking(items, metrics, folder)
    if spec.keep_streams:
        lacking = folder.without_stream() | lacking
    plan = make_plan(able, items, done, lacking=lacking, earlier=metrics.earlier)
    if plan.stale:
        folder.store.drop(plan.stale)
        say(
            f"{len(plan.stale)} stored records come from another version, code, card, "
            "weights or device; they are measured again"
        )
    return plan


def tasks_of_streams(
    items: Sequence[Item],
    spec: WorkSpec,
    metrics: Chosen,
    folder: RunFolder,
    say: Callable[[str], None],
) -> tuple[list[Task], int]:
    """The records that lack metrics and whose stream is kept; how many others lack some."""
    lacking = _lacking(items, metrics, folder)
    lacking = {key: one for key, one in lacking.items() if key[0] in spec.codecs}
    tasks, without = [], Counter[str]()
    for (codec, point, item), (lacks, stored) in lacking.items():
        if stored.kept_stream() is None:
            without[codec] += 1
            continue
        tasks.append(Task(codec, parse_point(point), item, "", "", lacks, stored))
    for codec, count in without.items():
        say(f"{codec}: {count} records have no kept stream; `bench run --keep all` keeps it")
    return tasks, without.total()


def hopeless_tasks(
    pairs: Sequence[Probed], items: Sequence[Item], store: Store, say: Callable[[str], None]
) -> dict[Status, list[tuple[Task, str]]]:
    """Tasks without a stored result of codecs that cannot run here, which are skipped, and of those
    whose code fails before anything is coded; with the reason."""
    stored = store.done()
    tasks: dict[Status, list[tuple[Task, str]]] = {"skipped": [], "failed": []}
    for card, probed in pairs:
        status: Status = "skipped" if probed.failure is None else "failed"
        reason = probed.unavailable or probed.failure
        if reason is not None:
            say(f"{card.id} {status}: {reason}")
            tasks[status] += [
                (Task(card.id, point, item.name, ""), reason)
                for item in items[: card.items]
                for point in card.ladder
                if (card.id, str(point), item.name) not in stored
            ]
    return tasks


def _lacking(
    items: Sequence[Item], metrics: Chosen, folder: RunFolder
) -> dict[Key, tuple[tuple[str, ...], Stored]]:
    """What stored records lack of the metrics that can run here and apply to their items."""
    lacking = folder.store.lacking(metrics.able)
    if not lacking:
        return {}
    able = {item.name: applying(item, metrics.able) for item in items}
    found = {}
    for key, (names, stored) in lacking.items():
        lacks = tuple(name for name in names if name in able.get(key[2], ()))
        if lacks:
            found[key] = (lacks, replace(stored, kept=folder.kept.stream(*key)))
    return found


def _probe_result(card: CodecCard, future: Future[Probe]) -> Probe:
    """What a codec said of itself, or why it could not; one broken codec does not stop the others.

    A wrong card or value is the user's to correct and is raised.
    """
    try:
        return future.result()
    except BenchError:
        raise
    except FutureTimeoutError:
        reason = f"did not start within {_PROBE_SECONDS:g} s"
    except ProcessExpired as error:
        reason = f"its process died while starting ({cause_of_death(error)})"
    except Exception as error:  # a third party's codec may raise anything
        reason = f"cannot start: {type(error).__name__}: {error}"
    reason = f"{reason}; try python -m bench doctor --codec {card.id}"
    return Probe(card.id, {}, failure=reason)
