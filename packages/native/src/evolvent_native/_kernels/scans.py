"""Running sums and products along an axis."""

from __future__ import annotations

import numpy as np

from .._builder import Module
from .writing import Value, Writer, kernel


def running(module: Module, op: str, of: np.dtype, to: np.dtype) -> str:
    """(x, out, outer, n, inner), with `op` "add" or "mul"."""

    def write(w: Writer, x, out, outer, n, inner):
        with w.loop(0, outer) as p:
            source, target = w.array(of, x).at(p * n * inner), w.array(to, out).at(p * n * inner)
            with w.when(n > 0), w.loop(0, inner) as j:
                target[j] = source[j].to(to)
            with w.loop(1, n) as i:
                entries, row, before = source.at(i * inner), target.at(i * inner), target.at((i - 1) * inner)
                with w.loop(0, inner, parallel=True) as j:
                    total: Value = before[j]
                    row[j] = total.apply(op, entries[j].to(to))

    return kernel(module, (f"running_{op}", of, to), ("x", "out", "<outer>", "<n>", "<inner>"), write)
