"""Jumps whose rates are integrated along with the state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from evolvent import EnsembleProblem, InputError, JumpProblem, ODEProblem, choose_algorithm, load_algorithm
from evolvent_stepping import Stepper


@dataclass(frozen=True)
class HazardIntegration(Stepper):
    """Exact jumps at rates that change all the time, over an ODE or alone: the hazard is integrated along.

    The sum of all rates is one more component of the state. A jump comes where its integral since the last one reaches
    an exponential random number, a root that is found on the dense output; which jump it is, is drawn in proportion to
    the rates there. Exact up to the tolerances of the method that integrates. For piecewise deterministic processes
    (``JumpProblem(over=...)``), and for rates that nobody can bound; where bounds are known and nothing moves the state
    between jumps, `Coevolve` costs less.

    A step that finds all rates zero at its stages may pass over a short pulse of them, as over one of f: give
    ``max_step``, or the problem ``discontinuities``.

    Parameters
    ----------
    algorithm : Algorithm or str, optional
        What integrates; the choosers decide when None.

    References
    ----------
    M. H. A. Davis, Piecewise-deterministic Markov processes: a general class of non-diffusion stochastic models,
    Journal of the Royal Statistical Society B 46 (1984) 353-388, doi:10.1111/j.2517-6161.1984.tb01308.x.

    Examples
    --------
    A gene that is switched on and off, and a protein that is made while it is on:

    >>> import evolvent as ev
    >>> protein = ev.ODEProblem(
    ...     lambda t, y, p: {"on": 0, "x": 2.0 * y["on"] - y["x"]}, {"on": 1, "x": 0.0}, (0.0, 50.0)
    ... )
    >>> switch = ev.VariableRate(lambda t, y, p: 0.7, lambda t, y, p: {"on": 1 - y["on"], "x": y["x"]})
    >>> solution = ev.solve(ev.JumpProblem(jumps=[switch], over=protein), "HazardIntegration", seed=1)
    >>> bool(solution.y["x"].max() < 2.0), solution.y["on"].dtype.kind
    (True, 'i')
    """

    algorithm: Any = None

    problem_types: ClassVar[tuple[type, ...]] = (JumpProblem,)
    random: ClassVar[bool] = True
    varying: ClassVar[bool] = True
    exact: ClassVar[bool] = True
    order = 0

    @property
    def name(self) -> str:
        """That of the method that integrates is part of it, once it is known."""
        return "HazardIntegration" if self.algorithm is None else f"HazardIntegration({_named(self.algorithm)})"

    @property
    def adaptive(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As the method is that integrates."""
        return getattr(self.algorithm, "adaptive", True)

    @property
    def takes_mass(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As the method is that integrates."""
        return getattr(self.algorithm, "takes_mass", False)

    def model(self, problem, backend):
        """Lay the problem out with its hazard."""
        from ._hazard import HazardModel

        return HazardModel(problem, backend, self.algorithm.splits)

    def prepared(self, model):
        """Give way to the method that integrates."""
        return self.algorithm.prepared(model)

    def step(self, system, t, y, dt, cache):
        raise NotImplementedError("the steps are those of the method that integrates")

    def resolved(self, problem: Any, options: dict[str, Any], backend: Any) -> tuple[HazardIntegration, str]:
        """Settle which method integrates, and say why it does."""
        inner = problem.problem if isinstance(problem, EnsembleProblem) else problem
        method, reason = self.algorithm, "as it was asked for"
        if method is None:
            method, reason = choose_algorithm(_moving(inner), options, backend)
        elif isinstance(method, str):
            method = load_algorithm(method)
        method = method() if isinstance(method, type) else method
        if not isinstance(method, Stepper) or method.marches or isinstance(method, HazardIntegration):
            raise InputError("algorithm", f"must be a method that takes time steps, such as Tsit5, got {method!r}.")
        if not issubclass(ODEProblem, method.problem_types) and not isinstance(inner.over, method.problem_types):
            raise InputError("algorithm", f"{method.name} does not solve what moves the state between the jumps.")
        return replace(self, algorithm=method), reason

    def solve(self, problem, *, backend, **options):
        own, _ = self.resolved(problem, options, backend)
        return super(HazardIntegration, own).solve(problem, backend=backend, **options)

    def init(self, problem, *, backend, **options):
        own, _ = self.resolved(problem, options, backend)
        return super(HazardIntegration, own).init(problem, backend=backend, **options)

    def compile(self, problem, *, backend, **options):
        own, _ = self.resolved(problem, options, backend)
        return super(HazardIntegration, own).compile(problem, backend=backend, **options)

    def staged_on(self, problem, *, backend, **options):
        own, _ = self.resolved(problem, options, backend)
        return super(HazardIntegration, own).staged_on(problem, backend=backend, **options)


def _moving(problem: Any) -> Any:
    """What a method is chosen for: what moves the state, or where nothing does, the hazard alone."""
    if problem.over is not None:
        return problem.over
    return ODEProblem(lambda t, y, p: y, problem.y0, problem.t_span, stiff=False)


def _named(method: Any) -> str:
    return method if isinstance(method, str) else getattr(method, "name", repr(method))
