"""Solves without a word about the method: DETEST, stiff and not, and the test set for initial value problems."""

import numpy as np
import pytest

import evolvent as ev
from evolvent_testing.problems import dae_problems, reference_problems, stiff_problems

NOT_STIFF = {name: maker for name, maker in reference_problems().items() if name.startswith("detest_")}
STIFF = {name: maker for name, maker in stiff_problems().items() if name.startswith("stiff_detest_")}
TEST_SET = ["robertson", "hires", "oregonator", "pollution", "pyrolysis", "van_der_pol", "beam"]
STIFF.update({name: stiff_problems()[name] for name in TEST_SET}, **dae_problems())

# In evaluations of f as cheap as here: a Jacobian, a factorisation, a substitution, and what a step takes beside them,
# norms and sums of arrays. Counts times these go with the times that native solves of such problems take.
JACOBIAN, FACTORISATION, SOLVE, STEP = 1.0, 2.0, 0.25, 6.0
# How many tolerances the error at the end may be, over many periods or with growing solutions.
ALLOWED = 1e3
# Bodies by the dozen, every one of which attracts every other, and eighty equations: a while to compile.
LONG = {"detest_c4", "detest_c5", "beam"}


def solved(maker, method, rtol):
    """Work and error of a solve; no work where it fails."""
    reference = maker(np)
    options = {"rtol": rtol, "atol": reference.scale * rtol, "saveat": "end", "throw": False}
    solution = ev.solve(reference.problem(), method, max_steps=20_000, **options)
    if solution.status is not ev.Status.SUCCESS:
        return None, np.inf
    stats = solution.stats
    derivatives = JACOBIAN * stats.n_jacobians + FACTORISATION * stats.n_factorisations
    return stats.n_f + derivatives + SOLVE * stats.n_solves + STEP * stats.n_steps, reference.error(solution.y[-1])


def check(maker, candidates, rtol):
    work, error = solved(maker, None, rtol)
    assert work is not None, "failed"
    assert error < ALLOWED * rtol
    for method in candidates:
        other, other_error = solved(maker, method, rtol)
        if other is not None and other_error <= max(error, rtol):
            assert work <= 3.0 * other, f"{work:.0f} against {other:.0f} of {method}"


def named(names):
    return [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in names]


@pytest.mark.parametrize("rtol", [1e-4, 1e-6])
@pytest.mark.parametrize("name", named(NOT_STIFF))
def test_problems_that_are_not_stiff(name, rtol):
    """None fails, and none costs more than three times the better one of two explicit methods."""
    check(NOT_STIFF[name], ["Tsit5", "Vern7"], rtol)


@pytest.mark.parametrize("rtol", [1e-4, 1e-6])
@pytest.mark.parametrize("name", named(STIFF))
def test_stiff_problems(name, rtol):
    """None fails, and none costs more than three times the better one of two implicit methods."""
    check(STIFF[name], ["Rodas5P", "QNDF"], rtol)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NOT_STIFF, *STIFF])
def test_tight_tolerances(name):
    """The same for a tolerance at which methods of high order pay."""
    # No Radau method beside them: its complex systems, of which counts say nothing, cost several times as much.
    check({**NOT_STIFF, **STIFF}[name], ["Vern7", "Vern9"] if name in NOT_STIFF else ["Rodas5P", "QNDF"], 1e-8)
