"""Programs that are called again and again: only what changes goes in, and only what is looked at comes out."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ._staging import Rows, flatten, unflatten

COPIED = 1 << 16  # bytes of an array that is copied to where the code looks for it; of a longer one it gets the address
KEPT = 1 << 28  # bytes of memory that is kept for the next call; where there is more, a call takes long anyway
LINE = 64  # bytes of memory that start together


class Repeated:
    """A program with most of its operands in place.

    A call costs a few microseconds: numbers and short arrays are written into memory that was laid out before, of
    which there is one for each thread that calls at the same time.

    Parameters
    ----------
    program : Program
        Machine code whose operands hold no records.
    operands : tree
        What goes in where a call doesn't say otherwise. Its arrays are read anew in each call.
    changing : callable
        Gives of the operands the part that each call gives.
    seen, record : callable
        Give of the result the numbers that `__call__` returns, in their order there, and the record that `rows` copies.
    """

    def __init__(
        self,
        program: Any,
        operands: Any,
        data: list[np.ndarray],
        changing: Callable[[Any], Any],
        seen: Callable[[Any], Any],
        record: Callable[[Any], Any],
    ):
        self.program, self.code = program, program.call
        leaves, structure = flatten(operands)
        self.leaves, self.data = leaves, data
        given = flatten(changing(unflatten(structure, range(len(leaves)))))[0]
        # What a program can't read in place, or what changes without notice, goes in anew as well.
        again = [i for i in range(len(leaves)) if i not in given and not program.reads_in_place(i, leaves[i])]
        self.again = [leaves[i] for i in again]
        self.place = {leaf: k for k, leaf in enumerate([*given, *again])}
        self.numbers = self._numbers()
        results = unflatten(program.structure, range(len(program.going)))
        self.seen = self._going(flatten(seen(results))[0])
        places, structure = flatten(record(results))
        self.record = [program.going[i][1] for i in places]
        # Times and states alone, the usual record, are put together quicker than any tree.
        usual = structure == flatten(((0, 0), ()))[1]
        self.tree_of = _pair if usual else partial(unflatten, structure)
        self.memories: list[Memory] = []

    def _numbers(self) -> list[tuple[Callable[..., None], int, int, int, bool]]:
        """How to write the numbers that change: those side by side, in the operands and in a call, at once."""
        program, at = self.program, 0
        groups: list[list[Any]] = []  # format, offset, first and last place in a call, whether complex
        for i, dtype in program.number_kinds.items():
            k, form = self.place.get(i), program.format_of(dtype)
            if k is not None:
                last = groups[-1] if groups else ["", -1, -1, -1, False]
                plain = dtype.kind != "c"
                if plain and not last[4] and last[3] == k and last[1] + struct.calcsize("=" + last[0]) == at:
                    last[0], last[3] = last[0] + form, k + 1
                else:
                    groups.append([form, at, k, k + 1, not plain])
            at += struct.calcsize("=" + form)
        return [(struct.Struct("=" + form).pack_into, *rest) for form, *rest in groups]

    def _going(self, places: list[int]) -> Callable[[Any], tuple[Any, ...]]:
        """How to read the numbers that are looked at."""
        if places != sorted(places):
            raise ValueError("numbers are looked at in the order of the result")
        parts = []
        for i, kind in enumerate(self.program.going):
            if kind[0] == "scalar":
                form = self.program.format_of(kind[1])
                parts.append(form if i in places else f"{struct.calcsize('=' + form)}x")
        return struct.Struct("=" + "".join(parts)).unpack_from

    def __call__(self, values: list[Any]) -> tuple[tuple[Any, ...], Memory]:
        """Run on the operands that change, in their order; returns the numbers that are looked at, and the memory.

        Whoever calls gives the memory back by `release`, or keeps it, with all of the result, by `whole`.
        """
        try:
            memory = self.memories.pop()
        except IndexError:
            memory = Memory(self)
        if self.again:
            values = [*values, *self.again]
        coming = memory.coming
        for pack, at, first, last, is_complex in self.numbers:
            if is_complex:
                pack(coming, at, values[first].real, values[first].imag)
            else:
                pack(coming, at, *values[first:last])
        for k, slot in memory.slots:
            slot[...] = values[k]
        held = [memory.point(at, values[k], dtype) for k, at, dtype in memory.pointed] if memory.pointed else ()
        self.code(memory.address)
        del held
        return self.seen(memory.going), memory

    def rows(self, memory: Memory, count: int) -> Any:
        """The record's rows that were written, in the memory: to be copied before it is released."""
        return self.tree_of([x if len(x) == count else x[:count] for x in memory.record])

    def release(self, memory: Memory) -> None:
        """Let other calls have the memory."""
        if memory.block.nbytes <= KEPT:
            self.memories.append(memory)

    def whole(self, memory: Memory) -> Any:
        """All of the result, in this memory, which is not used again."""
        program = self.program
        numbers = program.unpack.unpack_from(memory.going)
        rows: list[Any] = [x.view(Rows) for x in memory.rows]
        return unflatten(program.structure, program._leaves(numbers, memory.arrays, rows))


class Memory:
    """The memory of one call: the table of addresses, with all that they point to.

    Attributes
    ----------
    slots : list of (int, numpy.ndarray)
        Where the arrays of a call that change are copied to.
    pointed : list of (int, int, numpy.dtype)
        Those that are too long for that: their place in a call, and in the table.
    record : list of numpy.ndarray
        Of the rows those that a caller wants.
    """

    __slots__ = ("address", "arrays", "block", "coming", "going", "pointed", "record", "rows", "slots", "table")

    def __init__(self, repeated: Repeated):
        program, leaves, place = repeated.program, repeated.leaves, repeated.place
        literals, n_arrays = program.literals, len(program.array_places) + len(program.arrays_out)
        length = 3 + n_arrays + len(program.new_rows) + len(repeated.data) + len(literals)
        coming, going = program.packed(leaves), program.unpack.size
        wanted = [
            *((dtype, leaves[i].shape) for i, dtype in program.array_places if _is_copied(leaves[i], i in place)),
            *((dtype, shape) for _, dtype, shape in program.arrays_out),
            *((dtype, shape) for shape, dtype in program.new_rows),
        ]
        sizes = [8 * length, len(coming), going, program.workspace_size]
        sizes += [int(np.prod(shape)) * dtype.itemsize for dtype, shape in wanted]
        ends = np.cumsum([-(-size // LINE) * LINE for size in sizes]).tolist()
        self.block = np.empty(ends[-1] + LINE, np.uint8)
        start = _address(self.block)
        shift = -start % LINE
        offsets = [shift, *(shift + end for end in ends[:-1])]
        places = iter([start + offset for offset in offsets[4:]])
        parts = iter(
            [
                np.ndarray(shape, dtype, self.block, offset)
                for (dtype, shape), offset in zip(wanted, offsets[4:], strict=True)
            ]
        )
        whole = self.block.data
        self.address = start + offsets[0]
        self.table = np.ndarray((length,), np.uint64, self.block, offsets[0])
        self.coming = whole[offsets[1] : offsets[1] + len(coming)]
        self.coming[:] = coming
        self.going = whole[offsets[2] : offsets[2] + going]
        self.slots: list[Any] = []
        self.pointed: list[Any] = []
        table = [start + offset for offset in offsets[1:4]]
        for i, dtype in program.array_places:
            if _is_copied(leaves[i], i in place):
                table.append(next(places))
                self.slots.append((place[i], next(parts)))
                continue
            if i in place:
                self.pointed.append((place[i], len(table), dtype))
            table.append(_address(leaves[i]))
        table += places
        self.arrays = [next(parts) for _ in program.arrays_out]
        self.rows = list(parts)
        self.record = [self.rows[i] for i in repeated.record]
        table += [_address(x) for x in (*repeated.data, *literals)]
        self.table[:] = table

    def point(self, at: int, value: Any, dtype: np.dtype) -> np.ndarray:
        """Let the code read an array where it is; returns what must live until it has."""
        x = np.require(value, dtype, ["C", "A"])
        self.table[at] = _address(x)
        return x


def _pair(rows: list[np.ndarray]) -> Any:
    return tuple(rows), ()


def _is_copied(x: Any, changes: bool) -> bool:
    return changes and x.nbytes <= COPIED


def _address(x: np.ndarray) -> int:
    return x.__array_interface__["data"][0]
