"""How far two ways of computing the same thing with float networks may lie apart, and why."""

import numpy as np
from numpy.typing import NDArray

ROUNDED_APART = 1e-4
"""Share of samples that may lie one level apart. Tiles or the whole, a batch or one by one, one
thread or two, AVX-512 or AVX2 add the same float32 products in another order, which moves a sample
by some 10⁻⁵ of a level (measured on every network here); as many of all samples lie that close to
the border between two levels and are rounded the other way."""


BFLOAT16_APART = 0.1
"""The same where a network beside a linear transform is computed in bfloat16 here and in float32
there (24 streams of Kodak: 3.1 to 4.2 %; a drawn picture: 8 %; none two levels)."""


def assert_rounded_alike(
    found: NDArray[np.uint8], expected: NDArray[np.uint8], apart_at_most: float = ROUNDED_APART
) -> None:
    """8-bit samples of one float synthesis computed in two ways: none more than one level apart,
    and no more of them than this share, one at least."""
    assert found.shape == expected.shape
    apart = np.abs(found.astype(np.int64) - expected.astype(np.int64))
    assert apart.max(initial=0) <= 1
    assert np.count_nonzero(apart) <= max(1, apart_at_most * apart.size)
