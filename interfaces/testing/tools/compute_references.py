"""Compute the reference states of the problems without a closed form, and write them beside the problems.

Extrapolation of the modified midpoint rule (Gragg, Bulirsch, Stoer) in NumPy's long double, which has 64 bits
of mantissa on x86-64, or, where the problem magnifies rounding errors, in mpmath's numbers of 34 digits. Each
state is computed twice, at different tolerances and orders: the digits on which the two agree, at most 16,
are those that are written down as right.

    python tools/compute_references.py [name ...]
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import array_api_compat.numpy as xp
import mpmath
import numpy as np

from evolvent_testing.problems import reference_problems

STORE = Path(__file__).parents[1] / "src/evolvent_testing/problems/reference_states.json"
MAGNIFYING = ("arenstorf", "lotka_volterra", "pleiades")
mpmath.mp.dps = 34


def first_order(given, number):
    """Write the problem as ``f(t, y) -> dy`` on one array of the given kind of number; return f and y0."""
    y0 = np.stack(given.y0) if given.second_order else given.y0
    if number is not np.longdouble:
        y0 = np.vectorize(number, otypes=[object])(y0)

    def f(t, y):
        rate = given.f(t, *y, given.params) if given.second_order else given.f(t, y, given.params)
        rate = np.stack(rate) if isinstance(rate, list) else rate
        return np.stack([y[1], rate]) if given.second_order else rate

    return f, y0


def midpoint(f, t, y, dt, substeps):
    """Take one step of the modified midpoint rule; its error is a series in even powers of the substep."""
    h = dt / substeps
    before, now = y, y + h * f(t, y)
    for i in range(1, substeps):
        before, now = now, before + 2 * h * f(t + i * h, now)
    return (before + now + h * f(t + dt, now)) / 2


def extrapolated_step(f, t, y, dt, columns):
    """Extrapolate `columns` midpoint steps to order ``2 * columns``; return state and error estimate."""
    row = []
    for j in range(columns):
        last = row
        row = [midpoint(f, t, y, dt, 2 * (j + 1))]
        for k, older in enumerate(last):
            gain, loss = (j + 1) ** 2, (j - k) ** 2  # whole numbers keep the weights exact
            row.append((gain * row[k] - loss * older) / (gain - loss))
    return row[-1], np.max(np.abs(row[-1] - row[-2]))


def integrate(f, y, t_span, number, tolerance, columns):
    """Integrate with step control on the largest entry's relative error."""
    t, end = map(number, t_span)
    dt = (end - t) / 200
    while t < end:
        dt = min(dt, end - t)
        trial, error = extrapolated_step(f, t, y, dt, columns)
        size = float(error / np.max(np.abs(trial))) / tolerance
        factor = number(0.8 * (size + 1e-30) ** (-1.0 / (2 * columns - 1)))
        if size <= 1:
            t, y = (end if end - t <= dt else t + dt), trial
            # What remains of a small error is rounding, which smaller steps would not make smaller.
            dt *= min(number(4), max(number(1), factor))
        else:
            dt *= min(number(0.8), max(number(0.2), factor))
    return y


def reference(name, make):
    """Compute a final state in two ways; return it with the number of digits on which they agree."""
    number, tolerance, columns = (np.longdouble, 3e-18, 9) if name not in MAGNIFYING else (mpmath.mpf, 1e-24, 12)
    given = make(xp, dtype=np.float64 if number is mpmath.mpf else np.longdouble)
    f, y0 = first_order(given, number)
    fine = integrate(f, y0, given.t_span, number, tolerance, columns)
    check = integrate(f, y0, given.t_span, number, 10 * tolerance, columns - 1)
    disagreement = float(np.max(np.abs(fine - check)) / np.max(np.abs(fine)))
    digits = min(16, math.floor(-math.log10(max(disagreement, 1e-20))))
    return {"digits": digits, "shape": list(fine.shape), "y": fine.astype(np.float64).ravel().tolist()}


def main(names: list[str]) -> None:
    """Compute the named references, or all."""
    stored = json.loads(STORE.read_text()) if STORE.exists() else {}
    for name, make in reference_problems().items():
        if make(xp).exact is None and (not names or name in names):
            stored[name] = reference(name, make)
            print(f"{name}: {stored[name]['digits']} digits", flush=True)
    lines = (f'  "{name}": {json.dumps(stored[name])}' for name in sorted(stored))
    STORE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
