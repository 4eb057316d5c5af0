"""Rate-distortion benchmarks of learned and classical image and video codecs.

Start with ``python -m bench run --suite starter``.
"""

import warnings

__version__ = "0.1.0"

# CompressAI scripts a function when it is imported; that is not for our users to read about
warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)
