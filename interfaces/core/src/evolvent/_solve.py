"""The verbs: solve, init, compile, explain."""

from __future__ import annotations

from typing import Any

from ._algorithm import Algorithm
from ._backend import choose_backend
from ._errors import InputError, PluginError
from ._problem import EnsembleProblem, Problem
from ._registry import hook_results, load_algorithm


def solve(problem: Any, algorithm: Any = None, *, backend: str | None = None, **options: Any) -> Any:
    """Solve a problem.

    Parameters
    ----------
    problem : Problem
        What to solve.
    algorithm : Algorithm or str, optional
        How: a value such as ``Tsit5()``, or a registered name. The installed plugins' choosers decide when None.
    backend : str, optional
        Force a backend ("eager", "jax", ...); by default the arrays of y0 and params decide.
    **options
        The algorithm's options. Time-stepping methods take ``rtol, atol, saveat, save, dense, dt, adaptive, max_steps,
        min_step, max_step, t_stops, on_step, wall_time, progress, throw``: see `evolvent_stepping.Options`.

    Returns
    -------
    Solution
        For an `EnsembleProblem` an `EnsembleSolution`.

    Raises
    ------
    InputError
        If an argument can't be used.
    SolveError
        If the solve ends before its goal; its ``solution`` holds what was computed. ``throw=False`` returns that.

    Examples
    --------
    >>> import evolvent as ev
    >>> solution = ev.solve(ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0)))
    >>> solution.status.name
    'SUCCESS'
    """
    algorithm, runs = _resolve(problem, algorithm, backend, options)
    return algorithm.solve(problem, backend=runs, **options)


def init(problem: Any, algorithm: Any = None, *, backend: str | None = None, **options: Any) -> Any:
    """Prepare a solve that is stepped by hand: ``step()``, ``advance_to(t)``, ``reinit()``.

    Parameters are those of `solve`.

    Examples
    --------
    >>> import evolvent as ev
    >>> integrator = ev.init(ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0)), "Tsit5")
    >>> integrator.advance_to(0.5)
    >>> integrator.t
    0.5
    """
    if isinstance(problem, EnsembleProblem):
        raise InputError(
            "problem",
            "an ensemble is not stepped by hand.",
            "Step its member problem, or solve the ensemble with ev.solve.",
        )
    algorithm, runs = _resolve(problem, algorithm, backend, options)
    return algorithm.init(problem, backend=runs, **options)


def compile(problem: Any, algorithm: Any = None, *, backend: str | None = None, **options: Any) -> Any:
    """Prepare a solve once, to be run many times: ``run(y0=, params=, t_span=)`` returns a Solution.

    The functions of the problem are looked at once, here: later changes of globals or closures are not seen.
    Parameters are those of `solve`.

    Examples
    --------
    >>> import evolvent as ev
    >>> run = ev.compile(ev.ODEProblem(lambda t, y, p: -p * y, y0=[1.0], t_span=(0.0, 1.0), params=1.0), "Tsit5")
    >>> bool(run(params=2.0).y[-1, 0] < run().y[-1, 0])
    True
    """
    algorithm, runs = _resolve(problem, algorithm, backend, options)
    return algorithm.compile(problem, backend=runs, **options)


def explain(problem: Any, algorithm: Any = None, *, backend: str | None = None, **options: Any) -> str:
    """Say which algorithm and which backend `solve` would take for a problem, and why.

    Where a function of the problem can't be compiled, that names the line at fault and what to write instead. Nothing
    is solved. Parameters are those of `solve`; ``python -m evolvent explain model.py`` prints this for the problems of
    a script.

    Returns
    -------
    str
        A line for the algorithm and one for the backend.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> "Tsit5" in ev.explain(decay, rtol=1e-6)
    True
    """
    runs, reason = None, "as asked for"
    if algorithm is None:
        runs = _backend_of(problem, backend, options)
        _, algorithm, reason = _proposals(problem, options, runs)[0]
    algorithm, runs = _resolve(problem, algorithm, backend, options, runs)
    takes = algorithm.staged_on(problem, backend=runs, **options)
    return f"{algorithm.name}: {reason}\nbackend {takes.label}" + (f": {takes.note}" if takes.note else "")


def choose_algorithm(problem: Any, options: dict[str, Any], backend: Any) -> tuple[Algorithm, str]:
    """Ask the installed plugins for an algorithm: for methods that solve with another one.

    Parameters
    ----------
    problem : Problem
        What that one would have to solve.
    options : dict
        What `solve` was given.
    backend : Backend
        What would run it.

    Returns
    -------
    Algorithm
        The choice.
    str
        What speaks for it.
    """
    _, algorithm, reason = _proposals(problem, options, backend)[0]
    return algorithm, reason


def _backend_of(problem: Any, name: str | None, options: dict[str, Any]) -> Any:
    if isinstance(problem, type):
        raise _no_problem(problem)
    traced = [seed for seed in (options.get("seed"),) if hasattr(seed, "aval")]
    if isinstance(problem, EnsembleProblem):
        inner = problem.problem
        return choose_backend(name, inner.state0, inner.params, problem.y0, problem.params, traced)
    traced += _tracers(problem)
    return choose_backend(name, getattr(problem, "state0", None), getattr(problem, "params", None), traced)


def _tracers(problem: Any) -> list[Any]:
    """A span that is being differentiated or batched decides the backend as y0 does."""
    span = getattr(problem, "t_span", ())
    return [t for t in span if hasattr(t, "aval")]


def _resolve(
    problem: Any, algorithm: Any, backend: str | None, options: dict[str, Any], runs: Any = None
) -> tuple[Algorithm, Any]:
    if isinstance(algorithm, str):
        algorithm = load_algorithm(algorithm)
    if isinstance(algorithm, type) and issubclass(algorithm, Algorithm):
        algorithm = algorithm()
    runs = _backend_of(problem, backend, options) if runs is None else runs
    if algorithm is None:
        algorithm = _proposals(problem, options, runs)[0][1]
    if not isinstance(algorithm, Algorithm):
        raise InputError("algorithm", f"must be an algorithm, its name or None, got {algorithm!r}.")
    inner = problem.problem if isinstance(problem, EnsembleProblem) else problem
    if not isinstance(inner, algorithm.problem_types):
        if not isinstance(inner, Problem):
            raise _no_problem(inner)
        accepted = ", ".join(type_.__name__ for type_ in algorithm.problem_types)
        raise InputError(
            "algorithm",
            f"{algorithm.name} solves {accepted}, not {type(inner).__name__}.",
            "Leave the algorithm out to let the chooser find one.",
        )
    return algorithm, runs


def _proposals(problem: Any, options: dict[str, Any], backend: Any) -> list[tuple[float, Algorithm, str]]:
    inner = problem.problem if isinstance(problem, EnsembleProblem) else problem
    results, failures = hook_results("evolvent_choose", problem=inner, options=options, backend=backend)
    offers = sorted((r for r in results if r is not None), key=lambda offer: -offer[0])
    if not offers:
        broken = "".join(f" {failure}." for failure in failures)
        if not isinstance(inner, Problem):
            raise _no_problem(inner, broken.strip())
        raise PluginError(f"no installed plugin solves a {type(inner).__name__}.{broken} Try: pip install evolvent-ode")
    return offers


def _no_problem(given: Any, advice: str = "") -> InputError:
    """Say what is missing where neither an algorithm nor a chooser knows the type of what was given."""
    return InputError("problem", f"must be a problem such as ev.ODEProblem, got {given!r}.", advice)
