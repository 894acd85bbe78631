"""Words of 32 bits in whatever integers a namespace offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Array", "Integers", "Key", "Namespace", "Words", "is_host"]

Array: TypeAlias = Any
Namespace: TypeAlias = Any
Integers: TypeAlias = Any
Key: TypeAlias = tuple[Array, Array]

MASK = 0xFFFFFFFF


@dataclass(frozen=True)
class Words:
    """Arithmetic on 32-bit words with the integer types that a namespace offers.

    A word is a Python int, or an array of `wide` (a 64-bit dtype, so that one product holds both halves), or
    where the namespace has none (`wide` is None) an array of uint32.
    """

    xp: Namespace
    device: Any
    wide: Any
    dtype: Any  # of the words handed to the caller

    @classmethod
    def of(cls, xp: Namespace, device: Any, *values: Any) -> Words:
        """The arithmetic of `xp`, on the device of the first array in `values`."""
        try:
            dtypes = xp.__array_namespace_info__().dtypes(kind="integral")
        except AttributeError:
            raise TypeError(
                f"xp must be an Array API namespace of the 2023.12 standard or later, got {xp!r}; "
                "array_api_compat.array_namespace(x) gives that of an array"
            ) from None
        wide = dtypes.get("uint64", dtypes.get("int64"))
        dtype = dtypes.get("uint32", wide)
        if dtype is None:
            raise TypeError(f"xp must offer one of the dtypes uint32, uint64 and int64, got {xp!r}")
        for value in values:
            # A traced array may have no device: the compiler places its constants.
            if not is_host(value) and hasattr(value, "dtype"):
                device = getattr(value, "device", None)
                break
        return cls(xp, device, wide, dtype)

    def check(self, name: str, value: Integers, bits: int) -> None:
        """Raise ValueError if the host knows that `value` is not in [0, 2**bits)."""
        known = value if isinstance(value, range) else (value,) if is_host(value) else ()
        for end in (known[0], known[-1]) if known else ():
            if not 0 <= end < 2**bits:
                raise ValueError(f"{name} must be at least 0 and less than 2**{bits}, got {value}")

    def integers(self, name: str, value: Integers, bits: int) -> Any:
        """`value`, checked, as a Python int or an integer array."""
        self.check(name, value, bits)
        if isinstance(value, range):
            dtype = self.dtype if self.wide is None else self.wide
            return self.xp.arange(value.start, value.stop, value.step, dtype=dtype, device=self.device)
        if is_host(value):
            return int(value)
        dtype = getattr(value, "dtype", None)
        if dtype is None or not self.xp.isdtype(dtype, "integral"):
            given = type(value).__name__ if dtype is None else f"an array of {dtype}"
            raise TypeError(f"{name} must be an integer, a range or an integer array of xp, got {given}")
        return value

    def split(self, value: Integers) -> tuple[Any, Any]:
        """The low and the high word of up to 64 bits."""
        if isinstance(value, int):
            return value & MASK, value >> 32
        if self.wide is None:
            return self.xp.astype(value, self.dtype, copy=False), 0
        value = self.xp.astype(value, self.wide, copy=False)
        return value & MASK, (value >> 32) & MASK

    def word(self, name: str, value: Integers) -> Any:
        """`value`, checked, as a word."""
        return self.split(self.integers(name, value, 32))[0]

    def key(self, seed: Integers | Key) -> tuple[Any, Any]:
        """The two words of a seed or key, checked."""
        if not isinstance(seed, tuple):
            return self.split(self.integers("seed", seed, 64))
        if len(seed) != 2:
            raise ValueError(f"seed must be an integer or a key of two words, got {len(seed)} words")
        return self.word("seed[0]", seed[0]), self.word("seed[1]", seed[1])

    def multiply(self, word: Any, constant: int) -> tuple[Any, Any]:
        """The high and the low half of the 64-bit product."""
        if isinstance(word, int) or self.wide is not None:
            # In int64 the product wraps and the shift copies the sign: the mask restores the high half.
            product = word * constant
            return (product >> 32) & MASK, product & MASK
        low, high = word & 0xFFFF, word >> 16
        constant_low, constant_high = constant & 0xFFFF, constant >> 16
        low_low, low_high = low * constant_low, low * constant_high
        # At most 2 (2**16 - 1) + (2**16 - 1)**2 = 2**32 - 1: no carry is lost.
        middle = (low_low >> 16) + (low_high & 0xFFFF) + high * constant_low
        return (
            high * constant_high + (low_high >> 16) + (middle >> 16),
            (middle << 16) | (low_low & 0xFFFF),
        )

    def add(self, word: Any, constant: int) -> Any:
        """The sum modulo 2**32."""
        if isinstance(word, int) or self.wide is not None:
            return (word + constant) & MASK
        return word + self._lift(constant)

    def xor(self, a: Any, b: Any) -> Any:
        """The bitwise exclusive or."""
        if isinstance(a, int) and isinstance(b, int):
            return a ^ b
        return self._lift(a) ^ self._lift(b)

    def give(self, word: Any) -> Array:
        """The word as an array for the caller."""
        if isinstance(word, int):
            return self.xp.asarray(word, dtype=self.dtype, device=self.device)
        # NumPy's operators turn 0-d arrays into scalars, which its astype refuses.
        return self.xp.astype(self.xp.asarray(word), self.dtype, copy=False)

    def _lift(self, word: Any) -> Any:
        # Without 64-bit integers, JAX reads a bare Python int as an int32, where half of the words overflow.
        if isinstance(word, int) and self.wide is None:
            return self.xp.asarray(word, dtype=self.dtype, device=self.device)
        return word


def is_host(value: Any) -> bool:
    """Whether `value` is an integer known to Python, of Python itself or of the NumPy control plane."""
    if isinstance(value, int):
        return not isinstance(value, bool)
    return isinstance(value, np.integer | np.ndarray) and value.ndim == 0 and value.dtype.kind in "iu"
