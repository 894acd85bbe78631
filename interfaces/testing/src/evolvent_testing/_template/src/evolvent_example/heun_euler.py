"""The Heun-Euler pair."""

from dataclasses import dataclass

from evolvent_stepping import Hermite, Step, Stepper


@dataclass(frozen=True)
class HeunEuler(Stepper):
    """Heun's method with Euler's as its error estimate: the smallest pair there is.

    Order 2, two evaluations of f a step, cubic dense output.

    References
    ----------
    K. Heun, Neue Methoden zur approximativen Integration der Differentialgleichungen einer unabhängigen
    Veränderlichen, Zeitschrift für Mathematik und Physik 45 (1900) 23-38.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, HeunEuler(), rtol=1e-6, atol=1e-6).y[-1, 0]), 4)
    0.3679
    """

    order = 2
    error_order = 1
    adaptive = True

    def step(self, system, t, y, dt, cache) -> Step:
        """Try one step; the cache is the derivative at its start, which `Stepper.start` made at first."""
        k1 = cache
        k2 = system.f(t + dt, system.combine(y, dt, (1.0,), (k1,)))
        y1 = system.combine(y, dt, (0.5, 0.5), (k1, k2))
        error = system.combine(None, dt, (-0.5, 0.5), (k1, k2))
        f1 = system.f(t + dt, y1)
        return Step(y1, error, f1, Hermite(t, dt, y, y1, k1, f1))
