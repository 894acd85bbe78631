"""The settings of the kit, and what its tests share."""

from __future__ import annotations

from typing import Any, ClassVar

import array_api_compat.numpy as numpy_namespace
import numpy as np

import evolvent as ev

from ..backends import to_numpy
from ..problems import ReferenceProblem, lotka_volterra, spring

FIXED_STEPS = 40


class Setting:
    """What a plugin author may set, with the defaults."""

    algorithm: ClassVar[Any]
    order_tolerance: ClassVar[float] = 0.2
    order_excess: ClassVar[float] = 0.2
    tolerance_factor: ClassVar[float] = 100.0
    tolerances: ClassVar[tuple[float, ...]] = ()
    rounding_factor: ClassVar[float] = 1.0
    complex_state: ClassVar[bool] = True
    complex_tolerance: ClassVar[float] = 1e-10
    event_tolerance: ClassVar[float | None] = None
    sees_linear_errors: ClassVar[bool] = True

    @property
    def second_order(self) -> bool:
        """Whether the algorithm takes second-order problems alone."""
        return ev.ODEProblem not in self.algorithm.problem_types

    def reference(self, xp: Any = numpy_namespace, dtype: Any = None) -> ReferenceProblem:
        """Make a small problem that the algorithm takes."""
        return (spring if self.second_order else lotka_volterra)(xp, dtype=dtype)

    def problem(self, xp: Any = numpy_namespace, dtype: Any = None, **changes: Any) -> Any:
        """Make the same over a short span."""
        return self.reference(xp, dtype).problem(**{"t_span": (0.0, 2.0), **changes})

    def options(self, span: float = 2.0, steps: int = FIXED_STEPS, tolerance: float = 1e-6) -> dict[str, Any]:
        """Choose tolerances, or a step size for a method without an error estimate."""
        if self.algorithm.adaptive:
            # A method of low order would need thousands of steps for tight tolerances.
            tolerance = max(tolerance, 10.0 ** -max(5, 2 + self.algorithm.order))
            return {"rtol": tolerance, "atol": tolerance}
        iterations = {"rtol": 0.01 * tolerance, "atol": 0.01 * tolerance} if self.algorithm.implicit else {}
        return {"dt": abs(span) / steps, **iterations}

    def solve(self, problem: Any, **options: Any) -> Any:
        """Solve by the algorithm, with `options` in place of the usual ones."""
        given = {} if "dt" in options or "rtol" in options else self.options()
        with np.errstate(over="ignore", invalid="ignore"):  # a trial step may be far too large
            return ev.solve(problem, self.algorithm, **{**given, **options})


def leaves(y: Any) -> tuple[Any, ...]:
    """List the arrays of a solution's y."""
    return y if isinstance(y, tuple) else (y,)


def flat(y: Any) -> np.ndarray:
    """Gather a solution's y in one NumPy array (times, entries)."""
    return np.concatenate([to_numpy(leaf).reshape(leaf.shape[0], -1) for leaf in leaves(y)], axis=1)


def end(y: Any) -> np.ndarray:
    """Gather the last saved state in one NumPy array."""
    return flat(y)[-1]
