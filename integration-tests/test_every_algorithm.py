"""Every registered algorithm holds what the conformance kit asks, on every array library and in every precision."""

import pytest

import evolvent as ev
from evolvent_testing import AlgorithmConformance


class LongToCompile(AlgorithmConformance):
    """A method whose step is a long program: XLA takes a while to compile its derivative."""

    @pytest.mark.slow
    def test_jax_jit_and_grad(self, jax):
        """Under JAX the gradient of a compiled solve agrees with central differences."""
        super().test_jax_jit_and_grad(jax)


LONG = {"Feagin10", "Feagin12", "Feagin14", "VCABM", "Vern9"}
SETTINGS = {
    # Its weights reach 176 and its stages' coefficients 208: in float32 their rounding shows in the third digit.
    "Vern6": {"rounding_factor": 60.0},
    # Iterations end where their error is a part of the tolerance, in a norm that counts a complex entry once.
    "QNDF": {"complex_tolerance": 1e-5},
    # Its global error is as the square root of the tolerance.
    "ImplicitEuler": {"tolerance_factor": 2000.0},
    # At 1e-3 its damping shrinks detest_b4's torus to the circle in its middle, where the problem is singular.
    "SDIRK2": {"tolerance_factor": 300.0, "tolerances": (1e-4, 1e-5)},
    # At tight tolerances its embedded formula is close to it.
    "KenCarp5": {"tolerance_factor": 300.0, "event_tolerance": 1e-4},
    # In single precision iterations end elsewhere, by a part of the tolerance.
    "ARS343": {"rounding_factor": 10.0},
    # Second order, by steps that no error estimate bounds.
    "ImplicitMidpoint": {"event_tolerance": 1e-3},
    # On linear autonomous problems both of its formulas agree.
    "ROS3P": {"sees_linear_errors": False},
    # Several steps from each start, and from each event, are of lower order.
    "SBDF2": {"event_tolerance": 1e-2},
    "SBDF3": {"tolerance_factor": 1000.0, "event_tolerance": 1e-2},
    "SBDF4": {"tolerance_factor": 1000.0, "event_tolerance": 1e-2},
    # The first terms of its error cancel each other until what is left is near rounding.
    "EXPRB43": {"order_tolerance": 0.6},
    # Its errors fall below rounding before its order is all that they show.
    "RadauIIA9": {"order_excess": 1.0},
}

for name in ev.algorithms():
    if ev.ODEProblem not in ev.load_algorithm(name).problem_types and ev.SecondOrderODEProblem not in (
        ev.load_algorithm(name).problem_types
    ):
        continue  # made for problems that the kit does not have, such as DAEProblem
    base = LongToCompile if name in LONG else AlgorithmConformance
    members = {"algorithm": ev.load_algorithm(name)(), "__doc__": f"{name}.", **SETTINGS.get(name, {})}
    globals()[f"Test{name}"] = type(f"Test{name}", (base,), members)
