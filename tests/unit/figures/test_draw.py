"""What is drawn lies within its figure."""

import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bench.figures.draw import draw
from bench.figures.plot import BarPlot
from bench.figures.style import STYLES


@pytest.mark.parametrize("style", STYLES)
def test_a_legend_of_bars_with_long_names_is_whole(style: str) -> None:
    names = tuple(f"hyperprior:context=none quality={number}" for number in range(6))
    with rc_context(STYLES[style].settings):
        figure = draw(BarPlot(names, (0.1,) * 6, (0.5,) * 6), STYLES[style])
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    (legend,) = figure.legends
    found, whole = legend.get_window_extent(canvas.get_renderer()), figure.bbox
    assert whole.x0 <= found.x0 and found.x1 <= whole.x1
    axes = figure.axes[0].get_window_extent()
    assert axes.y1 <= found.y0 and found.y1 <= whole.y1
