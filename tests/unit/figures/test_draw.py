"""What is drawn lies within its figure."""

from itertools import pairwise

import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bench.figures.draw import draw
from bench.figures.plot import BarPlot
from bench.figures.style import STYLES


@pytest.mark.parametrize("style", STYLES)
def test_bars_with_long_names_and_their_legend_are_whole(style: str) -> None:
    names = tuple(f"hyperprior:{'context=none, ' * number}quality" for number in range(6))
    with rc_context(STYLES[style].settings):
        figure = draw(BarPlot(names, (0.1,) * 6, (9.0,) * 6), STYLES[style])
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    (legend,) = figure.legends
    found, whole = legend.get_window_extent(canvas.get_renderer()), figure.bbox
    assert whole.x0 <= found.x0 and found.x1 <= whole.x1
    axes = figure.axes[0].get_window_extent()
    assert axes.y1 <= found.y0 and found.y1 <= whole.y1
    shown = figure.get_tightbbox()
    assert shown.x0 >= 0 and shown.x1 <= STYLES[style].width and shown.y0 >= 0
    assert axes.width >= 0.25 * whole.width
    rows = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert all(upper.y0 > lower.y1 for upper, lower in pairwise(rows))
