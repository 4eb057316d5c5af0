"""What a worker of nearly every run needs, imported and tried once in the process that workers are
forked from. Importing this module is all that it does, but for what a stillborn worker says:
nothing."""

import gc
import pickle
import sys
from types import TracebackType

from PIL import Image

import bench.codecs.pillow
import bench.codecs.raw
import bench.datasets.images
import bench.engine.measure
import bench.metrics.evaluate
import bench.metrics.ssim  # noqa: F401
from bench.metrics.registry import built_in
from bench.processes import isolation

# what a worker raises that is started while its run ends: its pipe is closed before it has read all
_CUT_SHORT = (EOFError, OSError, pickle.UnpicklingError)


def _say_nothing_of_the_end(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if not issubclass(kind, _CUT_SHORT):
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _say_nothing_of_the_end
Image.init()
built_in()
isolation.describe()
# a first collection in every worker would walk, and so copy, all that was imported here
gc.freeze()
