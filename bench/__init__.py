"""Rate-distortion benchmarks of learned and classical image and video codecs.

Start with ``python -m bench run --suite starter``.
"""

__version__ = "0.1.0"
