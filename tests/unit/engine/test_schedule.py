from hypothesis import given
from hypothesis import strategies as st

from bench.engine.schedule import PORTION_SECONDS, Schedule
from bench.records import Point, Task


def tasks(codec: str, count: int) -> list[Task]:
    return [Task(codec, Point("q", 1), f"i{n}", "") for n in range(count)]


def test_a_codec_of_unknown_cost_is_tried_one_task_at_a_time() -> None:
    schedule = Schedule(tasks("a", 5) + tasks("b", 9), workers=2)
    assert [len(schedule.next_portion()) for _ in range(3)] == [1, 1, 1]


def test_the_hardest_codec_goes_first() -> None:
    schedule = Schedule(tasks("cheap", 50) + tasks("dear", 50), workers=1)
    for seconds in (0.001, 1.0):
        portion = schedule.next_portion()
        schedule.finished(portion, 0.001 if portion[0].codec == "cheap" else seconds)
    schedule.finished(tuple(tasks("cheap", 1)), 0.001)
    schedule.finished(tuple(tasks("dear", 1)), 1.0)
    assert schedule.next_portion()[0].codec == "dear"


def test_portions_of_cheap_tasks_are_about_as_long_as_they_should_be() -> None:
    schedule = Schedule(tasks("a", 10_000), workers=2)
    schedule.finished(schedule.next_portion(), 0.001)
    assert len(schedule.next_portion()) == PORTION_SECONDS / 0.001


def test_the_last_portions_leave_work_for_every_worker() -> None:
    schedule = Schedule(tasks("a", 41), workers=2)
    schedule.finished(schedule.next_portion(), 0.001)
    assert len(schedule.next_portion()) == 10


def test_the_last_portions_are_worth_asking_for() -> None:
    """With shares alone the last ten of these would take five portions."""
    schedule = Schedule(tasks("a", 21), workers=2)
    schedule.finished(schedule.next_portion(), 0.001)
    assert [len(schedule.next_portion()) for _ in range(3)] == [10, 10, 0]


def test_a_portion_ends_with_all_points_of_its_last_item() -> None:
    points = [Task("a", Point("q", q), f"i{n}", "") for n in range(40) for q in range(4)]
    schedule = Schedule(points, workers=2)
    schedule.finished(schedule.next_portion(), 0.04)
    assert [(task.item, task.point.value) for task in schedule.next_portion()] == [
        ("i0", 1), ("i0", 2), ("i0", 3), ("i1", 0), ("i1", 1), ("i1", 2), ("i1", 3),
    ]  # fmt: skip


def test_a_portion_that_failed_comes_back_one_by_one() -> None:
    schedule = Schedule(tasks("a", 10), workers=1)
    schedule.finished(schedule.next_portion(), 1e-6)
    portion = schedule.next_portion()
    assert len(portion) > 1
    schedule.retry_alone(portion)
    assert [schedule.next_portion() for _ in portion] == [(task,) for task in portion]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 8), st.floats(0, 2))
def test_every_task_is_handed_out_once(counts: list[int], workers: int, seconds: float) -> None:
    everything = [task for n, count in enumerate(counts) for task in tasks(f"c{n}", count)]
    schedule = Schedule(everything, workers)
    seen = []
    while portion := schedule.next_portion():
        assert len({task.codec for task in portion}) == 1
        seen += portion
        schedule.finished(portion, seconds)
    assert sorted(map(str, seen)) == sorted(map(str, everything))
    assert len(schedule) == 0


def test_codecs_of_about_the_same_cost_do_not_take_turns() -> None:
    """A worker that loads a network for every portion spends its time on that."""
    schedule = Schedule([*tasks("one", 9), *tasks("two", 9)], workers=1)
    order = []
    for seconds in (1.0, 1.1, *[1.2, 1.0] * 8):
        portion = schedule.next_portion()
        order += [task.codec for task in portion]
        schedule.finished(portion, seconds * len(portion))
    assert order[2:] == ["one"] * 8 + ["two"] * 8


def test_a_codec_in_processes_of_its_own_is_finished_once_begun() -> None:
    """Its processes take seconds to start, whatever its tasks cost."""
    schedule = Schedule([*tasks("one", 2), *tasks("two", 3), *tasks("six", 4)], 1, ("two", "six"))
    order = []
    for seconds in (9.0, 1.0, 5.0, 1.0, 0.3, 0.7, 0.3, 3.0, 3.0):
        portion = schedule.next_portion()
        order += [task.codec for task in portion]
        schedule.finished(portion, seconds * len(portion))
    assert order == ["six"] * 4 + ["two"] * 3 + ["one"] * 2
