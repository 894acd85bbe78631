"""Compute the reference states of the stiff problems that have none published, and write them beside the problems.

Radau IIA collocation of high order in NumPy's long double, which has 64 bits of mantissa on x86-64. Newton's
method solves with double precision but looks at its residual in long double, so the stages are exact to that. The
step is controlled by the last Legendre coefficient of the stage polynomial, which superconvergence leaves far behind.
Each state is computed twice, with different numbers of stages: the digits on which the two agree, at most 16, are
those that are written down as right. A published state is not replaced, only compared with, where it is named.

    python tools/compute_stiff_references.py [name ...]
"""

from __future__ import annotations

import json
import math
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import array_api_compat.numpy as xp
import mpmath
import numpy as np
from numpy.polynomial import legendre
from scipy.linalg import lu_factor, lu_solve
from scipy.sparse import csc_matrix, issparse
from scipy.sparse.linalg import splu

from evolvent_testing.problems import dae_problems, stiff_problems

STORE = Path(__file__).parents[1] / "src/evolvent_testing/problems/reference_states.json"
SPARSE = ("brusselator_periodic", "medical_akzo_nobel")
mpmath.mp.dps = 60


@cache
def radau(stages: int) -> tuple:
    """Make the nodes, the inverse of the matrix, its eigensystem, and the way to the last Legendre coefficient."""
    c = _nodes(stages)
    power = mpmath.matrix(stages, stages)
    integral = mpmath.matrix(stages, stages)
    for i in range(stages):
        for j in range(stages):
            power[i, j] = c[i] ** j
            integral[i, j] = c[i] ** (j + 1) / (j + 1)
    inverse = power * integral**-1
    exact = np.array([[np.longdouble(str(inverse[i, j])) for j in range(stages)] for i in range(stages)])
    values, vectors = np.linalg.eig(exact.astype(float))
    back = np.linalg.inv(vectors)
    # Of two conjugate values one is enough, its part twice as large: what is solved for is real.
    kept = values.imag >= 0
    values, vectors, back = values[kept], vectors[:, kept] * (1 + (values.imag[kept] > 0)), back[kept]
    nodes = np.array([0, *(np.longdouble(str(node)) for node in c)], dtype=np.longdouble)
    last = np.linalg.inv(legendre.legvander(2 * nodes.astype(float) - 1, stages))[-1]
    return nodes[1:], exact, values, vectors, back, last[1:]


def _nodes(stages):
    """Find the zeros of ``P_s - P_(s-1)`` on [0, 1], refined by Newton's method from double precision."""
    series = [0.0] * (stages - 1) + [-1.0, 1.0]
    found = sorted((float(np.real(z)) + 1.0) / 2.0 for z in legendre.legroots(series))

    def g(x):
        return mpmath.legendre(stages, 2 * x - 1) - mpmath.legendre(stages - 1, 2 * x - 1)

    return [*(mpmath.findroot(g, mpmath.mpf(x)) for x in found[:-1]), mpmath.mpf(1)]


class System:
    """A problem on flat arrays of long double, with its Jacobian by differences."""

    def __init__(self, given, sparse: bool):
        self.given, self.shape = given, given.y0.shape
        self.y0 = given.y0.reshape(-1)
        self.size = self.y0.size
        mass = np.ones(self.size) if given.mass is None else np.asarray(given.mass, dtype=float)
        self.mass = np.diag(mass) if mass.ndim == 1 else mass
        self.sparse = sparse
        self.groups = self._colours() if sparse else [[i] for i in range(self.size)]
        if sparse:
            self.mass = csc_matrix(self.mass)

    def f(self, t, y):
        """Evaluate at states in columns, each at its own time."""
        rate = self.given.f(t, y.reshape(*self.shape, y.shape[-1]), self.given.params)
        rate = np.stack(rate) if isinstance(rate, list) else rate
        return rate.reshape(self.size, -1)

    def _colours(self):
        """Group the entries that no equation has two of, found from the pattern at a random state."""
        y = np.random.default_rng(1).uniform(1, 2, self.size).astype(np.longdouble)
        base = self.f(np.full(1, 0.3), y[:, None])
        rows = []
        for i in range(self.size):
            moved = y.copy()
            moved[i] *= 1.001
            rows.append(np.flatnonzero(self.f(np.full(1, 0.3), moved[:, None]) != base))
        self.rows, groups, taken = rows, [], []
        for i in range(self.size):
            for group, seen in zip(groups, taken, strict=True):
                if not seen.intersection(rows[i]):
                    group.append(i)
                    seen.update(rows[i])
                    break
            else:
                groups.append([i])
                taken.append(set(rows[i]))
        return groups

    def jacobian(self, t, y, scale):
        """Differences in long double are right to ten digits."""
        moves = 1e-10 * (np.abs(y) + scale)
        columns = np.repeat(y[:, None], len(self.groups) + 1, axis=1)
        for k, group in enumerate(self.groups):
            columns[group, k] += moves[group]
        rates = self.f(np.full(columns.shape[1], t), columns)
        change = rates[:, :-1] - rates[:, -1:]
        if not self.sparse:
            return (change / (columns[range(self.size), range(self.size)] - y)).astype(float)
        row, column, value = [], [], []
        for k, group in enumerate(self.groups):
            for i in group:
                row.extend(self.rows[i])
                column.extend([i] * len(self.rows[i]))
                value.extend((change[self.rows[i], k] / (columns[i, k] - y[i])).astype(float))
        return csc_matrix((value, (row, column)), shape=(self.size, self.size))


def factor(matrix):
    """Factorise, sparse or dense; rows are scaled so that currents and voltages do not drown each other."""
    if issparse(matrix):
        return splu(csc_matrix(matrix), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve
    largest = 1.0 / np.max(np.abs(matrix), axis=1)
    done = lu_factor(matrix * largest[:, None])
    return lambda right: lu_solve(done, right * largest)


def stage_values(system, t, y, dt, jacobian, start, scale, stages):
    """Solve for the stages' differences from y; None where Newton's method does not come to an end."""
    c, inverse, values, vectors, back, _ = radau(stages)
    solves = [factor(value / float(dt) * system.mass - jacobian) for value in values]
    z, before = start, math.inf
    # A stage at a time at which f jumps belongs to the side the step is on.
    times = np.minimum(t + c * dt, np.nextafter(t + dt, t))
    for _ in range(40):
        slope = (z @ inverse.T) / dt
        slope = system.mass @ slope if not system.sparse else slope  # sparse problems here have M = I
        residual = system.f(times, y[:, None] + z) - slope
        if not np.all(np.isfinite(residual)):
            return None
        right = residual.astype(float) @ back.T
        change = np.stack([solve(right[:, k]) for k, solve in enumerate(solves)], axis=1) @ vectors.T
        z = z + change.real
        size = float(np.max(np.abs(change.real) / (np.abs(y) + scale)[:, None]))
        if size < 1e-19 or (size < 1e-15 and size > 0.3 * before):
            return z
        if size > 2.0 * before or not math.isfinite(size):
            return None
        before = size
    return None


def integrate(given, sparse, tolerance, stages):
    """Integrate from jump to jump with step control."""
    system = System(given, sparse)
    y, scale = system.y0, np.broadcast_to(given.scale, system.shape).reshape(-1)
    last = radau(stages)[-1]
    start, end = given.t_span
    steps = 0
    for begin, stop in pairwise([start, *given.discontinuities, end]):
        t, until, dt = np.longdouble(begin), np.longdouble(stop), np.longdouble(stop - begin) * 1e-6
        if end > 1e6:
            dt = np.longdouble(1e-6)
        while t < until:
            dt = min(dt, until - t)
            jacobian = system.jacobian(t, y, scale)
            z = stage_values(system, t, y, dt, jacobian, np.zeros((system.size, stages), np.longdouble), scale, stages)
            if z is None:
                dt *= np.longdouble(0.3)
                if dt < 1e-25 * max(1.0, abs(float(t))):
                    raise ArithmeticError(f"{given.name}: no step at t = {t}")
                continue
            size = float(np.max(np.abs(z.astype(float) @ last) / (np.abs(y) + scale))) / tolerance
            grown = 0.8 * (size + 1e-30) ** (-1.0 / (stages + 1))
            if size <= 1:
                t, y = (until if until - t <= dt else t + dt), y + z[:, -1]
                steps += 1
                dt *= np.longdouble(min(4.0, max(0.5, grown)))
            else:
                dt *= np.longdouble(min(0.8, max(0.1, grown)))
    return y, steps


def reference(name, make):
    """Compute a final state in two ways; return it with the number of digits on which they agree."""
    given = make(xp, dtype=np.longdouble)
    sparse = name in SPARSE
    settings = ((5, 1e-7), (4, 1e-7)) if name == "brusselator_periodic" else ((9, 1e-10), (8, 1e-10))
    (fine, steps), (check, _) = (integrate(given, sparse, tolerance, stages) for stages, tolerance in settings)
    scale = np.broadcast_to(given.scale, given.y0.shape).reshape(-1)
    disagreement = float(np.max(np.abs(fine - check) / (np.abs(fine) + scale)))
    print(f"{name}: {steps} steps, disagreement {disagreement:.1e}", flush=True)
    digits = min(16, math.floor(-math.log10(max(disagreement, 1e-20))))
    return {"digits": digits, "shape": list(given.y0.shape), "y": fine.astype(np.float64).tolist()}


def main(names: list[str]) -> None:
    """Compute the named references, or all that are not published or closed forms."""
    for name, make in {**stiff_problems(), **dae_problems()}.items():
        stored = json.loads(STORE.read_text()) if STORE.exists() else {}
        known = make(xp)
        published = "source" in stored.get(name, {}) or (known.final is not None and name not in stored)
        if known.exact is None and (name in names or not (names or published)):
            found = reference(name, make)
            if published:
                print(f"  from the published state: {known.error(np.reshape(found['y'], found['shape'])):.1e}")
                continue
            stored[name] = found
            lines = (f'  "{key}": {json.dumps(stored[key])}' for key in sorted(stored))
            STORE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
