import pytest

from bench.report.tables import signed


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.34, "+12.3"), (-4.46, "−4.5"), (float("nan"), "–"), (2.3e99, "> 9999")],
)
def test_a_delta_is_short_whatever_a_fit_gave(value: float, text: str) -> None:
    assert signed(value) == text
