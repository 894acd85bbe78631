"""What a time-stepping method is: three pure functions of arrays."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

from evolvent import Algorithm, ODEProblem, SecondOrderODEProblem, SplitODEProblem

from ._control import initial_step
from ._hermite import hermite
from ._options import Options


class Work(NamedTuple):
    """What a step cost, in control integers, where that is not the number of calls that Python sees."""

    f: Any
    jacobians: Any = 0
    factorisations: Any = 0
    solves: Any = 0
    failures: Any = 0


class Part(NamedTuple):
    """A function that a stepper adds to a problem's: compiled by itself, and called by name.

    `examples` are arguments like those that it will get; ``(t, y, params)`` when None. A function that is made of the
    problem's right side alone has a `key`: for equal keys and right sides it computes the same, and need not be staged
    again.
    """

    function: Any
    examples: Any = None
    key: Any = None


class Entry(NamedTuple):
    """The state and the cache that a solve goes on from, at its start and behind each jump.

    `y` is the state given, or that one made consistent with the algebraic equations. `status` is a `Status` to end
    with, in control integers: 0 where all is well, as where it is None. `work` as in `Step`.
    """

    y: Any
    cache: Any
    status: Any = None
    work: Any = None


class Step(NamedTuple):
    """What one trial step brings.

    Parameters
    ----------
    y : array
        The state at ``t + dt``.
    error : array or tree of arrays or None
        The estimate of the local error, for the controller; None for a method without one.
    cache : tree
        What the next step wants if this one is accepted.
    dense : tree
        What `Stepper.interpolate` wants to evaluate the solution inside this step.
    factor : control scalar, optional
        The ratio of the next step size to this one, when the method chooses it by itself (variable order); the
        controller's where it is zero.
    retry : tree, optional
        What the next trial wants if this one is rejected; the old cache when None.
    work : Work, optional
        How often f and, by implicit methods, all else was computed; calls of f that Python sees are counted when None.
    reason : control integer, optional
        The `Status` to end with if no step size helps, where this trial failed for a reason of its own: a positive
        number makes the trial fail.
    """

    y: Any
    error: Any
    cache: Any
    dense: Any
    factor: Any = None
    retry: Any = None
    work: Any = None
    reason: Any = None


class Stepper(Algorithm):
    """An algorithm that advances one time step.

    A subclass is a frozen dataclass that gives `start`, `step` and, unless a cubic Hermite polynomial will do,
    `interpolate`: pure functions, written with the backend's operations alone. The driver owns all the rest.

    Fields that hold functions ``(t, y, params)`` of the user are named in `user_functions`; the step calls them as
    ``system.functions[name](t, y, system.params)``, so that they are seen as f is: on any backend, never stale.

    Where a step is dear, `retakes` is False: compiled solves then carry the dense-output data of the last step, for
    which `at_rest` gives the start, instead of taking it again. A method that reuses factorisations says by `steady` up
    to which ratio a larger step is not worth it.

    A method that takes the two parts of a split problem apart says so by `splits`: the Jacobian is then that of the
    implicit part.

    A method for second-order problems whose acceleration must not depend on the velocity says so by `velocity_free`.

    A method whose steps have lengths of their own, as those from one jump to the next, says so by `marches` and brings
    the loop over them, `march`. Its solution is constant from step to step, and `most_steps` of them may be many. One
    that draws random numbers says so by `random`; `System.noise` names them.

    Times and step sizes (`t`, `dt`) are scalars of the control plane: use Python's arithmetic on them, and no
    ``if``. States are arrays of the data plane: combine them by `System.combine`.
    """

    problem_types: ClassVar[tuple[type, ...]] = (ODEProblem, SecondOrderODEProblem, SplitODEProblem)
    order: int
    error_order: int | None = None
    dense_order: int = 3
    adaptive: bool = False
    user_functions: ClassVar[tuple[str, ...]] = ()
    velocity_free: ClassVar[bool] = False
    takes_mass: ClassVar[bool] = False
    splits: ClassVar[bool] = False
    retakes: ClassVar[bool] = True
    steady: ClassVar[float] = 1.0
    marches: ClassVar[bool] = False
    random: ClassVar[bool] = False
    most_steps: ClassVar[int] = 100_000

    def model(self, problem, backend) -> Any:
        """Lay a problem out for this method: as it is, or as one that the method's steps can solve."""
        from ._model import Model

        return Model(problem, backend, self.splits)

    def prepared(self, model) -> Stepper:
        """Settle what depends on the problem, before anything is staged: a method that leaves nothing open is ready."""
        return self

    def parts(self, model) -> dict[str, Part]:
        """List the functions that this method adds to the problem's: derivatives, linear algebra."""
        return {}

    def start(self, system, t, y) -> Any:
        """Prepare the cache for a first step from `y` at `t`; by default the derivative there."""
        return system.f(t, y)

    def enter(self, system, t, y) -> Entry:
        """Begin at `y`, or at a state near it that satisfies the algebraic equations."""
        return Entry(y, self.start(system, t, y))

    def reenter(self, system, t, y, cache) -> Entry:
        """Begin again behind a jump of `y` or f, `cache` being that of before; by default as at a start."""
        return self.enter(system, t, y)

    def slope(self, system, t, y) -> Any:
        """Find the derivative of the solution's differential components at a consistent state."""
        return system.f(t, y)

    def first_step(self, system, t, y, cache, direction, span) -> Any:
        """Guess the size of the first step: a positive control scalar."""
        f0 = cache if _is_derivative(cache, y) else system.f(t, y)
        order = self.order - 1 if self.error_order is None else self.error_order
        return initial_step(system, t, y, f0, direction, order, span)

    @abstractmethod
    def step(self, system, t, y, dt, cache) -> Step:
        """Try one step from `y` at `t` to ``t + dt`` (`dt` is negative backward in time)."""

    def march(self, plan, system, inputs, m, target, save, limit, value) -> Any:
        """Step until `target` or `save` is hit, an event is seen, or `limit` steps were tried: with ``marches``."""
        raise NotImplementedError

    def at_rest(self, system, t, y) -> Any:
        """Make the dense-output data of a step of no length, by methods with ``retakes = False``."""
        raise NotImplementedError

    def complete(self, system, dense) -> Any:
        """Add to a step's data what only dense output wants: called once, before a step is evaluated."""
        return dense

    def interpolate(self, system, dense, theta) -> Any:
        """Evaluate the solution at ``dense.t + theta * dense.dt``, ``0 <= theta <= 1``."""
        return hermite(system, dense, theta)

    def error_norm(self, system, error, y0, y1) -> Any:
        """Measure the local error in units of the tolerance: data-plane scalar, at most one when acceptable."""
        return system.scaled_norm(error, y0, y1)

    def diagnosis(self, run, state) -> str:
        """Say what is wrong where a solve has failed, if this method can tell more than its status does."""
        return ""

    def solve(self, problem, *, backend, **options):
        from ._driver import solve

        return solve(problem, self, backend, Options.parse(self, options))

    def init(self, problem, *, backend, **options):
        from ._integrator import Integrator

        return Integrator(problem, self, backend, Options.parse(self, options))

    def compile(self, problem, *, backend, **options):
        from ._driver import compile

        return compile(problem, self, backend, Options.parse(self, options))

    def staged_on(self, problem, *, backend, **options):
        from ._driver import staged_on

        return staged_on(problem, self, backend, Options.parse(self, options))


def _is_derivative(cache: Any, y: Any) -> bool:
    return not isinstance(cache, tuple) and getattr(cache, "shape", None) == y.shape
