"""The convergence tool finds the order that is there."""

import math

import array_api_compat.numpy as np_api
import pytest

from evolvent_ode import DOP853, RK4, Midpoint, Tsit5, Yoshida6
from evolvent_testing import measured_order, measured_tolerance_order
from evolvent_testing.convergence import dense_slope, fit
from evolvent_testing.problems import clockwork, rotation


def errors_of(order, dts, noise=1e-15):
    return [dt**order * (1.0 + 20.0 * dt) + noise for dt in dts]


@pytest.mark.parametrize("order", [1, 4, 8])
def test_window_leaves_out_large_steps_and_rounding(order):
    """From errors with a pre-asymptotic beginning and a floor, the slope in between is taken."""
    dts = [0.3 * 0.7**i for i in range(30)]
    shown = fit(dts, errors_of(order, dts), 1e-13, "synthetic")
    assert abs(shown.order - order) < 0.5 if order == 8 else abs(shown.order - order) < 0.2
    assert 0 < shown.window.start < shown.window.stop <= len(dts)


def test_noise_above_the_floor_is_passed_over():
    """Where the finest errors do not fall at all, the steady window before them counts."""
    dts = [0.5**i for i in range(12)]
    errors = [dt**3 for dt in dts[:8]] + [5e-7, 4e-7, 6e-7, 5e-7]
    shown = fit(dts, errors, 1e-13, "synthetic")
    assert abs(shown.order - 3.0) < 1e-6


def test_too_few_errors_show_no_order():
    """Without enough errors above the floor the order is NaN."""
    assert math.isnan(fit([0.1, 0.05], [1e-3, 1e-4], 1e-13, "short").order)


@pytest.mark.parametrize("algorithm", [Midpoint(), RK4(), Tsit5(), DOP853(), Yoshida6()], ids=lambda one: one.name)
@pytest.mark.parametrize("dense", [False, True], ids=["end", "dense"])
def test_order_of_known_methods(algorithm, dense):
    """Methods of known order show it, at the end and between the steps."""
    claim = dense_slope(algorithm) if dense else algorithm.order
    assert measured_order(algorithm, dense=dense).order == pytest.approx(claim, abs=0.2)


def test_step_sizes_can_be_given():
    """With step sizes of one's own, those are used, and the table lists them."""
    shown = measured_order(RK4(), clockwork(np_api), dts=[0.3, 0.15, 0.1, 0.075, 0.05])
    assert shown.dts == pytest.approx((0.3, 0.15, 0.1, 0.075, 0.05))
    assert str(shown).count("\n") == 6
    assert "RK4() on clockwork" in str(shown)


def test_error_falls_with_the_tolerance():
    """Over tolerances an adaptive method shows a slope near one."""
    shown = measured_tolerance_order(Tsit5(), rotation(np_api), [1e-4, 1e-5, 1e-6, 1e-7, 1e-8])
    assert 0.7 < shown.order < 1.3
