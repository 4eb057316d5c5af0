"""What a worker of nearly every run needs, imported once in the process that workers are forked
from. Importing this module is all that it does."""

from PIL import Image

import bench.codecs.pillow
import bench.codecs.raw
import bench.datasets.images
import bench.engine.measure
import bench.metrics.ssim  # noqa: F401
from bench.metrics.registry import metrics

Image.init()
metrics()
