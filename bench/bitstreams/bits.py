"""The numbers in parameter sets of H.264 and H.265."""

from __future__ import annotations

from bench.errors import BitstreamError


class Bits:
    """The bits of a NAL unit after its header, its emulation prevention taken out; ``what`` it is
    stands in errors."""

    def __init__(self, unit: bytes, what: str) -> None:
        payload = unit.replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(payload, "big")
        self._left = 8 * len(payload)
        self._what = what

    def fixed(self, count: int) -> int:
        """u(n). Raises BitstreamError past the end."""
        if count > self._left:
            raise BitstreamError(f"the {self._what} ends inside a number")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def exp_golomb(self) -> int:
        """ue(v) (ITU-T H.264, 9.1; H.265, 9.2)."""
        zeros = 0
        while not self.fixed(1):
            zeros += 1
        return (1 << zeros) - 1 + self.fixed(zeros)
