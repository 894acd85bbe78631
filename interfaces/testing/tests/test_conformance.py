"""Our own methods pass the kit exactly as a third party's does."""

from evolvent_ode import RK4, Tsit5, Yoshida6
from evolvent_testing import AlgorithmConformance


class TestAdaptive(AlgorithmConformance):
    """A Runge-Kutta pair."""

    algorithm = Tsit5()


class TestFixedSteps(AlgorithmConformance):
    """A Runge-Kutta method without an error estimate."""

    algorithm = RK4()


class TestSecondOrder(AlgorithmConformance):
    """A symplectic method."""

    algorithm = Yoshida6()
