"""What loads a network, or shares what a fixture has made, is tested by one worker, which makes it
once."""

from __future__ import annotations

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


# before the workers' own, which reads the groups
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not isinstance(item, pytest.Function) or _HERE not in item.path.parents:
            continue
        fixtures = [found[-1] for found in item._fixtureinfo.name2fixturedefs.values()]
        shares = any(fixture.scope == "module" for fixture in fixtures)
        if shares or hasattr(item.module, "torch"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
