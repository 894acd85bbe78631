"""Counter-based random numbers: a draw is a pure function of (seed, trajectory, step, index).

There is no generator state to carry, split or save. Draws may be made in any order, again, in any cut of an
ensemble, and on any backend: the bits are equal everywhere, and the floats made of them equal to rounding.

The bits come from Philox4x32-10, which turns a 128-bit counter and a 64-bit key into four 32-bit words. The
key is the seed; the four words of the counter are laid out so::

    word 0   block                  index of a block of four words, 32 bits
    word 1   step modulo 2**32
    word 2   step divided by 2**32  31 bits; the top bit is 0 for draws and 1 for `fold_in`
    word 3   trajectory             32 bits

(block, step, trajectory) to counter is one to one, and for each key Philox is one to one in the counter: two
draws of one seed never share a block unless all three agree, and no derived key is ever part of a stream.

Floats take half a block each: draws 2 k and 2 k + 1 come from block k, whatever the distribution and dtype.
So a float32 run follows the sample path of a float64 run, and draws of different distributions at the same
(trajectory, step, index) are dependent: give each purpose indices, or a `fold_in` key, of its own.

Every function takes `xp`, an Array API namespace, first. Integers may be Python or NumPy ones (range-checked,
and computed on the host until they meet an array), `range` objects (meaning the array of their values; the
cheapest way to ask for many draws) or integer arrays of `xp` (not checked, as their values may not be known
yet: they must lie in the range stated). They broadcast. New arrays go to the device of the first array among
the arguments, else to `device`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ._random.words import Array, Integers, Key, Namespace, Words

__all__ = ["bits", "exponential", "exponential_and_uniform", "fold_in", "normal", "philox4x32", "uniform"]

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_FOLD = 0x80000000


def philox4x32(
    xp: Namespace, counter: Sequence[Integers], key: Sequence[Integers], *, device: Any = None
) -> tuple[Array, Array, Array, Array]:
    """Encrypt a counter of four 32-bit words under a key of two, by ten rounds of Philox.

    Parameters
    ----------
    xp : namespace
        Array API namespace of the arrays; it must offer uint32 or a 64-bit integer dtype.
    counter : sequence of four integers or integer arrays
        Each in [0, 2**32), broadcast against each other and the key.
    key : sequence of two integers or integer arrays
        Each in [0, 2**32).
    device : optional
        Where to put the words if all arguments are plain integers.

    Returns
    -------
    tuple of four arrays
        uint32, or where the namespace does no arithmetic in it (torch) int64 with values in [0, 2**32).

    Raises
    ------
    ValueError
        A plain integer is out of range, or there are not four and two words.
    TypeError
        A word is not an integer, or `xp` has no suitable integer dtype.

    References
    ----------
    J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC '11,
    doi:10.1145/2063384.2063405

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent import random
    >>> [f"{int(word):08x}" for word in random.philox4x32(np, (0, 0, 0, 0), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    if len(counter) != 4 or len(key) != 2:
        raise ValueError(f"Philox takes 4 counter and 2 key words, got {len(counter)} and {len(key)}")
    words = Words.of(xp, device, *counter, *key)
    return _philox(
        words,
        [words.word(f"counter[{i}]", word) for i, word in enumerate(counter)],
        [words.word(f"key[{i}]", word) for i, word in enumerate(key)],
    )


def _philox(words: Words, counter: Sequence[Any], key: Sequence[Any]) -> tuple[Array, Array, Array, Array]:
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for done in range(_ROUNDS):
        if done:
            k0, k1 = words.add(k0, _WEYL[0]), words.add(k1, _WEYL[1])
        high0, low0 = words.multiply(c0, _MULTIPLIERS[0])
        high1, low1 = words.multiply(c2, _MULTIPLIERS[1])
        c0, c1 = words.xor(words.xor(high1, c1), k0), low1
        c2, c3 = words.xor(words.xor(high0, c3), k1), low0
    return words.give(c0), words.give(c1), words.give(c2), words.give(c3)


def bits(
    xp: Namespace,
    seed: Integers | Key,
    trajectory: Integers,
    step: Integers,
    block: Integers,
    *,
    device: Any = None,
) -> tuple[Array, Array, Array, Array]:
    """Draw blocks of four random 32-bit words.

    Parameters
    ----------
    xp : namespace
        Array API namespace of the arrays.
    seed : int in [0, 2**64), or a key
        A key is a tuple of two words, as `fold_in` returns it.
    trajectory : integer or integer array in [0, 2**32)
    step : integer or integer array in [0, 2**63)
    block : integer or integer array in [0, 2**32)
        Which block of this step's bits: floats number 2 block and 2 block + 1 are made of it.
    device : optional
        Where to put the words if all arguments are plain integers.

    Returns
    -------
    tuple of four arrays
        Of the broadcast shape, and the dtype that `philox4x32` returns.

    Raises
    ------
    ValueError
        A plain integer is out of range.
    TypeError
        An argument is not an integer.

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent import random
    >>> [word.shape for word in random.bits(np, 7, np.arange(3)[:, None], 0, range(5))]
    [(3, 5), (3, 5), (3, 5), (3, 5)]
    """
    words = Words.of(xp, device, *_flat(seed), trajectory, step, block)
    return _block(words, *_stream(words, seed, trajectory, step), words.word("block", block))


def fold_in(xp: Namespace, seed: Integers | Key, data: Integers, *, device: Any = None) -> Key:
    """Derive an independent key from a seed or key and an integer.

    Use it where one seed has to serve several purposes; with an array of integers it splits a key into many.

    Parameters
    ----------
    xp : namespace
        Array API namespace of the arrays.
    seed : int in [0, 2**64), or a key
    data : integer or integer array in [0, 2**63)
    device : optional
        Where to put the key if all arguments are plain integers.

    Returns
    -------
    tuple of two arrays
        The key's words. Being 64 bits, among n keys two agree with probability n**2 / 2**65.

    Raises
    ------
    ValueError
        A plain integer is out of range.
    TypeError
        An argument is not an integer.

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent import random
    >>> noise, jumps = (random.fold_in(np, 7, purpose) for purpose in (0, 1))
    >>> bool(
    ...     random.uniform(np, noise, 0, 0, 0, dtype=np.float64) == random.uniform(np, jumps, 0, 0, 0, dtype=np.float64)
    ... )
    False
    """
    words = Words.of(xp, device, *_flat(seed), data)
    low, high = words.split(words.integers("data", data, 63))
    return _philox(words, (0, low, high | _FOLD, 0), words.key(seed))[:2]


def uniform(
    xp: Namespace,
    seed: Integers | Key,
    trajectory: Integers,
    step: Integers,
    index: Integers,
    *,
    dtype: Any,
    positive: bool = False,
    device: Any = None,
) -> Array:
    """Draw from the uniform distribution on [0, 1), or on (0, 1).

    Parameters
    ----------
    xp : namespace
        Array API namespace of the arrays.
    seed : int in [0, 2**64), or a key
    trajectory : integer or integer array in [0, 2**32)
    step : integer or integer array in [0, 2**63)
    index : integer or integer array in [0, 2**32)
        Which draw of this step. A `range` of n costs half as much as the array of its values.
    dtype : dtype
        float32 (multiples of 2**-24) or float64 (multiples of 2**-53).
    positive : bool
        Never return 0, for logarithms: 64 bits, the last one set, are rounded to `dtype`. So small values
        have its full relative precision, the least is 2**-64, and what rounds to 1 is the number below it.
    device : optional
        Where to put the draws if all integers are plain ones.

    Returns
    -------
    array
        Of the broadcast shape; bitwise equal on all backends.

    Raises
    ------
    ValueError
        A plain integer is out of range, or `dtype` is not a real floating one that `xp` offers.
    TypeError
        An argument is not an integer.

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent import random
    >>> random.uniform(np, 7, np.arange(3)[:, None], 0, range(5), dtype=np.float32).shape
    (3, 5)
    """
    return _draw(xp, seed, trajectory, step, index, dtype, device, _positive_uniforms if positive else _uniforms)


def exponential(
    xp: Namespace,
    seed: Integers | Key,
    trajectory: Integers,
    step: Integers,
    index: Integers,
    *,
    dtype: Any,
    device: Any = None,
) -> Array:
    """Draw from the exponential distribution of mean 1, as minus the logarithm of a positive uniform.

    Parameters
    ----------
    xp, seed, trajectory, step, index, dtype, device
        As in `uniform`.

    Returns
    -------
    array
        Positive, at most 44.4, of the broadcast shape; equal on all backends to rounding of the logarithm.

    Raises
    ------
    ValueError, TypeError
        As `uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent import random
    >>> waits = random.exponential(np, 7, range(10_000), 0, 0, dtype=np.float64)
    >>> bool(abs(waits.mean() - 1) < 0.05)
    True
    """
    return _draw(xp, seed, trajectory, step, index, dtype, device, _exponentials)


def exponential_and_uniform(
    xp: Namespace,
    seed: Integers | Key,
    trajectory: Integers,
    step: Integers,
    block: Integers,
    *,
    dtype: Any,
    device: Any = None,
) -> tuple[Array, Array]:
    """Draw pairs for jump processes: an exponential of mean 1, and a uniform of [0, 1) independent of it.

    Block k gives `exponential` number 2 k and `uniform` number 2 k + 1, at the price of one draw.

    Parameters
    ----------
    xp, seed, trajectory, step, block, device
        As in `bits`.
    dtype : dtype
        As in `uniform`.

    Returns
    -------
    tuple of two arrays
        Of the broadcast shape.

    Raises
    ------
    ValueError, TypeError
        As `uniform`.

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent import random
    >>> waiting, which = random.exponential_and_uniform(np, 7, 0, 0, range(4), dtype=np.float64)
    >>> bool(waiting[1] == random.exponential(np, 7, 0, 0, 2, dtype=np.float64))
    True
    >>> bool(which[1] == random.uniform(np, 7, 0, 0, 3, dtype=np.float64))
    True
    """
    unit = _Unit.of(xp, dtype)
    w0, w1, w2, w3 = bits(xp, seed, trajectory, step, block, device=device)
    return -xp.log(unit.positive(w0, w1)), unit.half_open(w2, w3)


def normal(
    xp: Namespace,
    seed: Integers | Key,
    trajectory: Integers,
    step: Integers,
    index: Integers,
    *,
    dtype: Any,
    device: Any = None,
) -> Array:
    """Draw from the standard normal distribution, by the transform of Box and Muller.

    Block k gives a positive uniform u and a uniform v; with r = sqrt(-2 log u), draw 2 k is r cos(2 pi v) and
    draw 2 k + 1 is r sin(2 pi v). Nothing is rejected: each draw is the same work, as SIMD and tracing want.

    Parameters
    ----------
    xp, seed, trajectory, step, index, dtype, device
        As in `uniform`.

    Returns
    -------
    array
        At most 9.42 in magnitude, of the broadcast shape; equal on all backends to rounding of the elementary
        functions.

    Raises
    ------
    ValueError, TypeError
        As `uniform`.

    References
    ----------
    G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates", Ann. Math. Statist. 29
    (1958), doi:10.1214/aoms/1177706645

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent import random
    >>> noise = random.normal(np, 7, np.arange(1000)[:, None], 0, range(3), dtype=np.float64)
    >>> noise.shape, bool(abs(noise.std() - 1) < 0.05)
    ((1000, 3), True)
    """
    return _draw(xp, seed, trajectory, step, index, dtype, device, _normals)


@dataclass(frozen=True)
class _Unit:
    """Conversion of 64 bits, as two words, to floats of the unit interval."""

    xp: Namespace
    dtype: Any
    precision: int

    @classmethod
    def of(cls, xp: Namespace, dtype: Any) -> _Unit:
        offered = xp.__array_namespace_info__().dtypes(kind="real floating")
        for name, precision in (("float32", 24), ("float64", 53)):
            if name in offered and dtype == offered[name]:
                return cls(xp, dtype, precision)
        raise ValueError(f"dtype must be float32 or float64, as far as xp offers it, got {dtype!r}")

    def half_open(self, high: Array, low: Array) -> Array:
        """The leading bits, truncated: a multiple of 2**-precision in [0, 1)."""
        if self.precision == 24:
            return self._float(high >> 8) * 2.0**-24
        # Both terms and their sum are exact, with no 64-bit integer needed.
        return self._float(high) * 2.0**-32 + self._float(low >> 11) * 2.0**-53

    def positive(self, high: Array, low: Array) -> Array:
        """All bits, the last one set, rounded: in [2**-64, 1)."""
        value = self._float(high) * 2.0**-32 + self._float(low | 1) * 2.0**-64
        return self.xp.clip(value, None, 1.0 - 2.0**-self.precision)

    def _float(self, word: Array) -> Array:
        return self.xp.astype(self.xp.asarray(word), self.dtype)


# Each of these makes the draws 2 k and 2 k + 1 of the four words of block k.


def _uniforms(unit: _Unit, w0: Array, w1: Array, w2: Array, w3: Array) -> tuple[Array, Array]:
    return unit.half_open(w0, w1), unit.half_open(w2, w3)


def _positive_uniforms(unit: _Unit, w0: Array, w1: Array, w2: Array, w3: Array) -> tuple[Array, Array]:
    return unit.positive(w0, w1), unit.positive(w2, w3)


def _exponentials(unit: _Unit, w0: Array, w1: Array, w2: Array, w3: Array) -> tuple[Array, Array]:
    return -unit.xp.log(unit.positive(w0, w1)), -unit.xp.log(unit.positive(w2, w3))


def _normals(unit: _Unit, w0: Array, w1: Array, w2: Array, w3: Array) -> tuple[Array, Array]:
    xp = unit.xp
    radius = xp.sqrt(-2.0 * xp.log(unit.positive(w0, w1)))
    angle = (2.0 * math.pi) * unit.half_open(w2, w3)
    return radius * xp.cos(angle), radius * xp.sin(angle)


def _draw(
    xp: Namespace,
    seed: Integers | Key,
    trajectory: Integers,
    step: Integers,
    index: Integers,
    dtype: Any,
    device: Any,
    pair: Callable[..., tuple[Array, Array]],
) -> Array:
    """The draws number `index` of the distribution that `pair` makes."""
    unit = _Unit.of(xp, dtype)
    words = Words.of(xp, device, *_flat(seed), trajectory, step, index)
    stream = _stream(words, seed, trajectory, step)

    if isinstance(index, range) and index.step == 1 and index and _is_constant_along_last_axis(stream):
        words.check("index", index, 32)
        blocks = words.word("block", range(index.start // 2, (index.stop + 1) // 2))
        both = xp.stack(pair(unit, *_block(words, *stream, blocks)), axis=-1)
        flat = xp.reshape(both, (*both.shape[:-2], 2 * both.shape[-2]))
        return flat[..., index.start % 2 : index.start % 2 + len(index)]

    index = words.word("index", index)
    first, second = pair(unit, *_block(words, *stream, index >> 1))
    if isinstance(index, int):
        return xp.asarray((first, second)[index & 1])
    return xp.where((index & 1) == 0, first, second)


def _is_constant_along_last_axis(stream: tuple[tuple[Any, Any], Any, Any]) -> bool:
    key, trajectory, step = stream
    return all(getattr(given, "shape", ())[-1:] in ((), (1,)) for given in (*key, trajectory, step))


def _stream(
    words: Words, seed: Integers | Key, trajectory: Integers, step: Integers
) -> tuple[tuple[Any, Any], Any, Any]:
    """Key, trajectory and step, checked."""
    return (
        words.key(seed),
        words.word("trajectory", trajectory),
        words.integers("step", step, 63),
    )


def _block(
    words: Words, key: tuple[Any, Any], trajectory: Any, step: Any, block: Any
) -> tuple[Array, Array, Array, Array]:
    low, high = words.split(step)
    # The top bit belongs to fold_in, whatever an unchecked array holds.
    return _philox(words, (block, low, high & (_FOLD - 1), trajectory), key)


def _flat(seed: Integers | Key) -> tuple[Any, ...]:
    return seed if isinstance(seed, tuple) else (seed,)
