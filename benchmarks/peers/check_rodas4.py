"""Whether the yardstick is straight: the order conditions of the C program's coefficients, and its exact Jacobians."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from . import with_c
from ._case import Case
from .cases import CASES

GAMMA = 0.25
ROUNDING = 1e-12


def weights() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The method as its order conditions see it: alpha, alpha + Gamma, b, and b of the embedded method.

    The program's a and c belong to transformed stages u = Gamma k: E. Hairer, G. Wanner, "Solving Ordinary
    Differential Equations II", equation IV.7.25.
    """
    a, c = np.zeros((5, 4)), np.zeros((6, 5))
    with_c.library("rober", "rodas4").coefficients(with_c.address(a), with_c.address(c))
    points, couplings = np.zeros((6, 6)), np.zeros((6, 6))
    points[:5, :4], points[5, :5], couplings[:, :5] = a, [*a[4], 1.0], c
    gamma = np.linalg.inv(np.eye(6) / GAMMA - couplings)
    alpha = points @ gamma
    return alpha, alpha + gamma, np.array([*a[4], 1.0, 1.0]) @ gamma, np.array([*a[4], 1.0, 0.0]) @ gamma


def residuals(alpha: np.ndarray, beta: np.ndarray, b: np.ndarray, order: int) -> dict[str, float]:
    """What each condition up to `order` lacks; one for each tree, as in the same book's table IV.7.1."""
    times, sums = alpha.sum(axis=1), beta.sum(axis=1)
    conditions = {
        "1": (1, b.sum() - 1.0),
        "2": (2, b @ sums - 1.0 / 2.0),
        "3a": (3, b @ times**2 - 1.0 / 3.0),
        "3b": (3, b @ beta @ sums - 1.0 / 6.0),
        "4a": (4, b @ times**3 - 1.0 / 4.0),
        "4b": (4, (b * times) @ alpha @ sums - 1.0 / 8.0),
        "4c": (4, b @ beta @ times**2 - 1.0 / 12.0),
        "4d": (4, b @ beta @ beta @ sums - 1.0 / 24.0),
    }
    return {name: abs(value) for name, (at, value) in conditions.items() if at <= order}


def jacobian_error(case: Case) -> float:
    """How far the C program's Jacobian lies from that of the case's right side, entry by entry, by complex steps."""
    size, y, p = len(case.y0), case.reference(case)[0], case.flat_params
    found = np.empty((size, size))
    with_c.library(case.c_problem, "rodas4").jacobian_at(with_c.address(y), with_c.address(p), with_c.address(found))
    # Columns lead, as in the program. The right sides are polynomials: a tiny imaginary step has no truncation error.
    exact = np.array([np.imag(case.rhs(0.0, y + 1e-100j * unit, case.params)) / 1e-100 for unit in np.eye(size)])
    return float(np.max(np.abs(found - exact) / np.where(exact == 0.0, 1.0, np.abs(exact))))


def main(words: Sequence[str]) -> None:
    """Print every residual; exit with an error where one is not rounding."""
    argparse.ArgumentParser(prog="python -m benchmarks.peers check-rodas4", description=__doc__).parse_args(words)
    with_c.load("rodas4")
    alpha, beta, b, embedded = weights()
    missing = {f"b, {name}": value for name, value in residuals(alpha, beta, b, 4).items()}
    missing |= {f"embedded b, {name}": value for name, value in residuals(alpha, beta, embedded, 3).items()}
    for name, value in missing.items():
        print(f"condition {name}: {value:.1e}")
    wrong = {case.name: jacobian_error(case) for case in CASES.values() if "c-rodas4" in case.peers}
    for name, value in wrong.items():
        print(f"Jacobian of {name}: {value:.1e}")
    if max(*missing.values(), *wrong.values()) > ROUNDING:
        raise SystemExit("not all of these are rounding errors")
