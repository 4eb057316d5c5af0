"""What loads a network is tested by one worker, which loads it once."""

from __future__ import annotations

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


# before the workers' own, which reads the groups
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents and hasattr(getattr(item, "module", None), "torch"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
