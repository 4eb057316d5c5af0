"""A million records, each command as typed, in seconds and bytes of memory; run by `make speed`."""

from __future__ import annotations

from tests.speed.million import commands_on, table

SECONDS = {"bd": 10.0, "report": 15.0, "check": 20.0}
MEBIBYTES = 1000.0


def test_a_million_records() -> None:
    found = commands_on((10_000, 100_000, 1_000_000))
    print("\n" + "\n".join(table(found)))
    for one in found:
        assert one.wall_seconds <= SECONDS[one.command]
        assert one.peak_mebibytes <= MEBIBYTES
