"""The scaling report: its arithmetic on made-up costs, and a small run of all of it."""

import pytest

from bench.cards import load_registry
from tests.speed import scaling
from tests.speed.million import Taken
from tests.speed.scaling import Cost, Resume, describe, measure_cost, scaling_report


def test_efficiency_and_prediction_follow_from_the_costs() -> None:
    """10 s on one worker and 6.25 s on two is 80 %; 2 ms of coordinator a task keep 100 workers
    busy from 200 ms a task on."""
    costs = [Cost(1000, 1, 10.0, 2.0), Cost(1000, 2, 6.25, 2.0)]
    text = describe(costs, Resume(10, 1.0, 2.0, 2.5, 0, 100.0), [Taken("bd", 10, 3.0, 2.0, 50.0)])
    assert "- 1,000 tasks: 2 workers at 80 % efficiency" in text
    assert (
        "2.000 ms of CPU a task. It keeps 100 workers busy as long as a task takes 200 ms" in text
    )
    assert "planned in 2.0 s more (0 tasks left): 2.5 s of CPU in all" in text
    assert "at 1 s a task it is 20.0 % occupied" in text
    assert "| 1,000 | 2 | 6.25 | 6.250 | 160 | 2.000 |" in text


def test_every_task_is_measured_and_every_record_found_again() -> None:
    text = scaling_report(load_registry().codec("none"), tasks=(50,), workers=(1,), records=200)
    assert "| 50 | 1 |" in text
    assert "A store of 200 records is opened" in text and "(0 tasks left)" in text


def test_what_only_the_first_run_needs_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = list[Cost]()

    def measured(*arguments: object) -> Cost:
        costs.append(measure_cost(*arguments))
        return costs[-1]

    monkeypatch.setattr(scaling, "measure_cost", measured)
    text = scaling_report(load_registry().codec("none"), tasks=(20,), workers=(1,), records=200)
    assert [cost.tasks for cost in costs] == [1, 20]
    assert "| 20 | 1 |" in text and "| 1 | 1 |" not in text
