from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bench.cards import CodecCard
from bench.datasets.base import Item
from bench.engine.plan import Probe, make_plan
from bench.records import Point

PROBE = Probe("a", {"lib": "1"})
ITEMS = [Item("x", "dx", None), Item("y", "dy", None)]


def card(name: str = "a", points: int = 2, **settings: object) -> CodecCard:
    ladder = tuple(Point("q", value) for value in range(points))
    return CodecCard(name, Path(f"{name}.toml"), name, "m:C", ("image",), ladder=ladder,
                     settings=settings)  # fmt: skip


def answers(plan) -> dict:
    return {task.key: task.fingerprint for task in plan.tasks}


def test_everything_is_planned_once_in_order() -> None:
    plan = make_plan([(card(), PROBE)], ITEMS, {})
    assert [task.key for task in plan.tasks] == [
        ("a", "q=0", "x"), ("a", "q=1", "x"), ("a", "q=0", "y"), ("a", "q=1", "y"),
    ]  # fmt: skip


@given(st.sets(st.integers(0, 11)))
def test_planned_less_stored_is_what_is_left(stored: set[int]) -> None:
    codecs = [(card("a", 3), PROBE), (card("b", 3), replace(PROBE, codec="b"))]
    everything = list(answers(make_plan(codecs, ITEMS, {})).items())
    done = dict(everything[index] for index in stored)
    plan = make_plan(codecs, ITEMS, done)
    assert set(answers(plan).items()) == set(everything) - set(done.items())
    assert (plan.finished, plan.stale) == (len(done), ())


def test_a_record_of_another_version_card_data_or_device_is_stale() -> None:
    done = answers(make_plan([(card(), PROBE)], ITEMS, {}))
    changed = [
        make_plan([(card(), Probe("a", {"lib": "2"}))], ITEMS, done),
        make_plan([(card(preset="slow"), PROBE)], ITEMS, done),
        make_plan([(card(), PROBE)], [Item("x", "new", None), ITEMS[1]], done),
        make_plan([(card(), replace(PROBE, device="cuda"))], ITEMS, done),
    ]
    assert [len(plan.stale) for plan in changed] == [4, 4, 2, 4]
    assert [len(plan.tasks) for plan in changed] == [4, 4, 2, 4]
    assert {task.device for task in changed[-1].tasks} == {"cuda"}


def test_a_record_of_the_first_version_is_not_measured_again() -> None:
    """Its fingerprint names metrics and knows of no device; written by that version."""
    done = {("a", "q=0", "x"): "35ef1636ed0d0058ed5397b0"}
    plan = make_plan([(card(), PROBE)], ITEMS[:1], done, earlier=["mse", "psnr_rgb"])
    assert (plan.finished, plan.stale) == (1, ())


def test_records_of_codecs_that_are_not_named_are_left_alone() -> None:
    plan = make_plan([(card(), PROBE)], ITEMS, {("other", "q=1", "x"): "f"})
    assert plan.stale == ()
