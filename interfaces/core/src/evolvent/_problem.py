"""Problems: immutable descriptions of what to solve."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ._compiled import check_right_side
from ._errors import InputError
from ._events import Dose, Event, check_arity
from ._problem_checks import check_alike, check_domain, check_events, check_linear, check_rows, check_span, check_state
from ._trees import flatten, tree_map

MOST_TRAJECTORIES = 2**31  # of an ensemble, whose numbers fit into signed integers of 32 bits


@dataclass(frozen=True, eq=False)
class Problem:
    """What every problem can do."""

    def replace(self, **changes: Any) -> Any:
        """Make a variant of this problem: ``problem.replace(params=...)``.

        Raises
        ------
        InputError
            If a name is not one of the problem's fields, or a new value can't be used.
        """
        names = inspect.signature(type(self)).parameters
        for name in changes:
            if name not in names:
                raise InputError(name, f"{type(self).__name__} has no such field;", f"it has {', '.join(names)}.")
        return replace(self, **changes)


@dataclass(frozen=True, eq=False)
class InitialValueProblem(Problem):
    """What all problems have in common that go from an initial state to the end of a span."""

    events: Sequence[Event | Dose] = field(default=(), kw_only=True)
    discontinuities: Any = field(default=(), kw_only=True)
    domain: Any = field(default=None, kw_only=True)

    def _check_course(self) -> None:
        check_span(self)
        check_events(self)
        check_domain(self.domain)


@dataclass(frozen=True, eq=False)
class ODEProblem(InitialValueProblem):
    """The initial value problem ``dy/dt = f(t, y, params)``, ``y(t0) = y0``.

    Parameters
    ----------
    f : callable
        ``f(t, y, params)``: the derivative, an array like y, or a list of scalars in its place. Written on the Array
        API standard (operators and methods are enough for most models) it runs on every array library. A function of
        ``numba.njit``, which may also be ``f(t, y, dydt, params)`` and fill dydt, and a C function ``void f(double t,
        double *y, double *dydt, double *params)``, as ``numba.cfunc`` or ctypes give it, run on NumPy's float64 arrays.
    y0 : array, list of numbers, or nested dict, tuple, NamedTuple or dataclass of these
        Initial state. Its library, dtype and device are the solution's; integers become the library's default float.
    t_span : (float, float)
        Start and end; the end may come before the start.
    params : tree of arrays and numbers, optional
        Passed to f as it is. Python integers, strings and other objects are constants of the model.
    events : sequence of Event and Dose
        What happens on the way.
    discontinuities : sequence of float
        Times at which f jumps: the solve steps onto them exactly and starts afresh there.
    domain : NonNegative or callable, optional
        Where the state must stay: `NonNegative`, or ``domain(t, y, params)``, true inside. A trial step that leaves
        it is rejected.
    mass : array, optional
        The constant matrix M of ``M dy/dt = f(t, y, params)``, for implicit methods: (n, n), its diagonal (n,), or a
        sparse matrix of SciPy, where n is the number of entries of y. It may be singular: its zero rows are algebraic
        equations, ``0 = f``.
    jacobian : callable, optional
        ``jacobian(t, y, params)``: the derivative of f with respect to y, (n, n), or with `sparsity` its entries there,
        row by row. Implicit methods derive it from f where it is not given.
    sparsity : array, optional
        Where the Jacobian may be other than zero: (n, n), or a sparse matrix of SciPy. Found from f where that can be
        compiled.
    stiff : bool, optional
        What is known of the problem, for the choice of a method; found out on the way when None.

    Raises
    ------
    InputError
        If an argument can't be used; it names the argument.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -p["rate"] * y, y0=[1.0], t_span=(0.0, 1.0), params={"rate": 2.0})
    >>> decay.replace(params={"rate": 3.0}).params
    {'rate': 3.0}
    """

    f: Callable[..., Any]
    y0: Any
    t_span: tuple[Any, Any]
    params: Any = None
    mass: Any = field(default=None, kw_only=True)
    jacobian: Callable[..., Any] | None = field(default=None, kw_only=True)
    sparsity: Any = field(default=None, kw_only=True)
    stiff: bool | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not callable(self.f):
            raise InputError("f", f"must be a function (t, y, params), got {self.f!r}.")
        check_right_side("f", self.f, "t, y, params")
        check_state("y0", self.y0)
        self._check_course()
        check_linear(self)

    @property
    def state0(self) -> Any:
        """The initial state as the user's functions see it."""
        return self.y0


@dataclass(frozen=True, eq=False)
class SplitODEProblem(InitialValueProblem):
    """The problem ``dy/dt = f_implicit(t, y, params) + f_explicit(t, y, params)``, ``y(t0) = y0``.

    Implicit-explicit methods solve their stages for the first part alone, which should hold all that is stiff, and
    exponential ones take its Jacobian for their exponentials; all other methods solve the sum.

    Parameters
    ----------
    f_implicit, f_explicit : callable
        ``f(t, y, params)``, each an array like y.
    y0, t_span, params, events, discontinuities, domain, stiff
        As for `ODEProblem`.
    mass, jacobian, sparsity
        As for `ODEProblem`; the latter two of `f_implicit`.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff, slow = (lambda t, y, p: -100.0 * y), (lambda t, y, p: 0.0 * y + 1.0)
    >>> problem = ev.SplitODEProblem(stiff, slow, y0=[1.0], t_span=(0.0, 1.0))
    >>> problem.replace(t_span=(0.0, 2.0)).t_span
    (0.0, 2.0)
    """

    f_implicit: Callable[..., Any]
    f_explicit: Callable[..., Any]
    y0: Any
    t_span: tuple[Any, Any]
    params: Any = None
    mass: Any = field(default=None, kw_only=True)
    jacobian: Callable[..., Any] | None = field(default=None, kw_only=True)
    sparsity: Any = field(default=None, kw_only=True)
    stiff: bool | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("f_implicit", "f_explicit"):
            function = getattr(self, name)
            if not callable(function):
                raise InputError(name, f"must be a function (t, y, params), got {function!r}.")
            check_right_side(name, function, "t, y, params")
        check_state("y0", self.y0)
        self._check_course()
        check_linear(self)

    @property
    def state0(self) -> Any:
        """The initial state as the user's functions see it."""
        return self.y0


@dataclass(frozen=True, eq=False)
class SecondOrderODEProblem(InitialValueProblem):
    """The second-order problem ``q'' = a(t, q, v, params)``, ``q(t0) = q0``, ``q'(t0) = v0``.

    Symplectic and Nystrom methods solve it as it is, all others its first-order form. The solution's y is the pair
    (q, v); events, doses and save functions get that pair as y.

    Parameters
    ----------
    a : callable
        ``a(t, q, v, params)``: the acceleration, like q.
    q0, v0 : array or list of numbers
        Initial position and velocity, of one shape.
    t_span, params, events, discontinuities, domain
        As for `ODEProblem`.
    stiff : bool, optional
        As for `ODEProblem`.

    Examples
    --------
    >>> import evolvent as ev
    >>> spring = ev.SecondOrderODEProblem(lambda t, q, v, p: -q, [1.0], [0.0], t_span=(0.0, 3.0))
    >>> q, v = ev.solve(spring, "DPRKN6", saveat=[3.0]).y
    >>> round(float(q[0, 0]), 3)
    -0.99
    """

    a: Callable[..., Any]
    q0: Any
    v0: Any
    t_span: tuple[Any, Any]
    params: Any = None
    stiff: bool | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not callable(self.a):
            raise InputError("a", f"must be a function (t, q, v, params), got {self.a!r}.")
        check_right_side("a", self.a, "t, q, v, params")
        check_state("q0", self.q0)
        check_state("v0", self.v0)
        if np.shape(self.q0) != np.shape(self.v0):
            raise InputError("v0", f"must have the shape of q0, {np.shape(self.q0)}, got {np.shape(self.v0)}.")
        self._check_course()

    @property
    def state0(self) -> Any:
        """The initial state as the user's functions see it."""
        return (self.q0, self.v0)


@dataclass(frozen=True, eq=False)
class DAEProblem(InitialValueProblem):
    """The implicit problem ``residual(t, y, y', params) = 0``, ``y(t0) = y0``: differential-algebraic, of index 1.

    The differential entries of y start where they are given; the algebraic ones, and the derivatives, are solved for
    at the start and after every jump. For ``M y' = f`` with a constant M, an `ODEProblem` with ``mass=`` has more
    methods.

    Parameters
    ----------
    residual : callable
        ``residual(t, y, yp, params)``, where yp is the derivative of y: an array like y, or a list of scalars in its
        place, in any order of equations.
    y0 : array, list of numbers, or nested dict, tuple, NamedTuple or dataclass of these
        Initial state, as for `ODEProblem`: of its algebraic entries, a guess.
    yp0 : like y0, optional
        A guess of the derivative, from which it is solved for; zero when None. It matters where the residual is not
        linear in yp.
    t_span : (float, float)
        Start and end; the end may come before the start.
    params : tree of arrays and numbers, optional
        Passed to residual as it is.
    differential : like y0, of truth values, optional
        Which entries of y keep their initial values: as many as equations have derivatives in them. Those whose
        derivative is in the residual, when None.
    events, discontinuities, domain
        As for `ODEProblem`.
    jacobian : callable, optional
        ``jacobian(t, y, yp, params)``: the pair of derivatives of the residual with respect to y and to yp, each
        (n, n). They are derived of the residual where it is not given.
    sparsity : array, optional
        Where either of the two may be other than zero: (n, n), or a sparse matrix of SciPy.

    Raises
    ------
    InputError
        If an argument can't be used; it names the argument.

    Examples
    --------
    >>> import evolvent as ev
    >>> def circuit(t, y, yp, p):
    ...     voltage, current = y
    ...     return [p["C"] * yp[0] + current, voltage - p["R"] * current]
    >>> discharge = ev.DAEProblem(circuit, [1.0, 0.0], t_span=(0.0, 1.0), params={"C": 1.0, "R": 2.0})
    >>> [round(float(x), 3) for x in ev.solve(discharge).y[-1]]
    [0.607, 0.303]
    """

    residual: Callable[..., Any]
    y0: Any
    yp0: Any = None
    t_span: tuple[Any, Any] = field(kw_only=True)
    params: Any = field(default=None, kw_only=True)
    differential: Any = field(default=None, kw_only=True)
    jacobian: Callable[..., Any] | None = field(default=None, kw_only=True)
    sparsity: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not callable(self.residual):
            raise InputError("residual", f"must be a function (t, y, yp, params), got {self.residual!r}.")
        check_arity("residual", self.residual, "t, y, yp, params")
        check_state("y0", self.y0)
        if self.yp0 is not None:
            check_state("yp0", self.yp0)
            check_alike("yp0", self.yp0, self.y0)
        if self.differential is not None:
            check_alike("differential", self.differential, self.y0)
            for leaf in flatten(self.differential)[0]:
                if np.asarray(leaf).dtype.kind != "b":
                    raise InputError("differential", f"must hold truth values, got {self.differential!r}.")
        self._check_course()
        check_linear(self, "t, y, yp, params")

    @property
    def state0(self) -> Any:
        """The initial state as the user's functions see it."""
        return self.y0


@dataclass(frozen=True, eq=False)
class EnsembleProblem(Problem):
    """Many solves of one problem that differ in y0, params, t_span or their random numbers.

    Every trajectory has its own step sizes, events and end: adding trajectories never changes another one's result.
    What is random in trajectory i depends on the solve's seed and on i alone.

    Parameters
    ----------
    problem : ODEProblem, SplitODEProblem, SecondOrderODEProblem, DAEProblem, JumpProblem or the like
        What all have in common.
    y0 : tree of arrays, optional
        Like the problem's y0 with one axis more in front: the trajectories. Without it all start from the problem's.
        For a second-order problem: the pair (q0, v0) of such arrays.
    params : tree of arrays, optional
        Like the problem's params; each leaf has the axis of trajectories in front.
    t_span : pair, optional
        Each end a number or an array of one entry per trajectory.
    trajectories : int or range, optional
        How many, where they differ in their random numbers alone; or which, for a part of a larger ensemble:
        ``range(1000, 2000)`` are the second thousand of it. Rows of y0, params and t_span are those of the part.

    Raises
    ------
    InputError
        If nothing differs, or the numbers of trajectories disagree.

    Examples
    --------
    >>> import evolvent as ev, numpy as np
    >>> decay = ev.ODEProblem(lambda t, y, p: -p["rate"] * y, y0=[1.0], t_span=(0.0, 1.0), params={"rate": 1.0})
    >>> many = ev.EnsembleProblem(decay, params={"rate": np.linspace(1.0, 2.0, 5)})
    >>> ev.solve(many, "Tsit5", saveat=[0.5, 1.0]).y.shape
    (5, 2, 1)
    >>> death = ev.MassAction([0.1], [{0: 1}], [{0: -1}])
    >>> len(ev.EnsembleProblem(ev.JumpProblem([10], (0.0, 5.0), jumps=[death]), trajectories=1000))
    1000
    """

    problem: Any
    y0: Any = None
    params: Any = None
    t_span: tuple[Any, Any] | None = None
    trajectories: int | range | None = None

    def __post_init__(self) -> None:
        known = isinstance(self.problem, InitialValueProblem)
        if not known:
            raise InputError("problem", f"must be a problem such as ev.ODEProblem, got {self.problem!r}.")
        if self.t_span is not None:
            check_span(self)
            object.__setattr__(self, "t_span", tuple(self.t_span))
        if self.y0 is not None:
            check_rows(self.problem, self.y0)
        if (
            self.params is not None
            and flatten(self.params, lists=False)[1] != flatten(self.problem.params, lists=False)[1]
        ):
            raise InputError(
                "params",
                f"must have the structure of the problem's params, {flatten(self.problem.params, lists=False)[1]}, "
                f"got {flatten(self.params, lists=False)[1]}.",
            )
        sizes = {size for name in ("y0", "params", "t_span") for size in self._sizes(name)}
        if len(sizes) > 1:
            raise InputError("params", f"the leading axes of y0, params and t_span disagree: {sorted(sizes)}.")
        if self.trajectories is not None:
            self._check_trajectories(sizes)
        elif not sizes:
            raise self.nothing_differs

    def _check_trajectories(self, sizes: set[int]) -> None:
        given = self.trajectories
        if isinstance(given, np.integer):
            given = int(given)
            object.__setattr__(self, "trajectories", given)
        if isinstance(given, bool) or not isinstance(given, int | range):
            raise InputError("trajectories", f"must be how many, or a range of them, got {given!r}.")
        if not len(self.numbers) or not all(0 <= i < MOST_TRAJECTORIES for i in (self.numbers[0], self.numbers[-1])):
            raise InputError("trajectories", f"must be some, numbered from 0 to 2**31 - 1, got {given!r}.")
        if sizes and sizes != {len(self.numbers)}:
            raise InputError(
                "trajectories", f"are {len(self.numbers)}, and y0, params or t_span have {sizes.pop()} rows."
            )

    @property
    def numbers(self) -> range:
        """What numbers the trajectories have, by which their random numbers are told apart."""
        if self.trajectories is None:
            return range(next(iter(self._differing())))
        return range(self.trajectories) if isinstance(self.trajectories, int) else self.trajectories

    @property
    def differs(self) -> bool:
        """Whether trajectories differ in more than their random numbers."""
        return any(True for _ in self._differing())

    @property
    def nothing_differs(self) -> InputError:
        """What there is to say where all trajectories would be the same."""
        return InputError(
            "y0",
            "nothing differs between the trajectories.",
            "Give y0=, params= or t_span= with an axis of trajectories in front, or trajectories= of a random problem.",
        )

    def _differing(self) -> Iterator[int]:
        return (size for name in ("y0", "params", "t_span") for size in self._sizes(name))

    def part(self, start: int, stop: int) -> EnsembleProblem:
        """The ensemble of the trajectories from place `start` up to `stop`, which keep their numbers."""

        def rows(leaf: Any) -> Any:
            return leaf[start:stop] if np.shape(leaf) else leaf

        def cut(tree: Any) -> Any:
            return None if tree is None else tree_map(rows, tree, lists=False)

        return replace(
            self,
            y0=cut(self.y0),
            params=cut(self.params),
            t_span=None if self.t_span is None else tuple(map(rows, self.t_span)),
            trajectories=self.numbers[start:stop],
        )

    def _sizes(self, name: str) -> set[int]:
        value = getattr(self, name)
        if value is None:
            return set()
        sizes = set()
        for leaf in value if name == "t_span" else flatten(value, lists=False)[0]:
            shape = tuple(np.shape(leaf))
            if shape:
                sizes.add(shape[0])
            elif name == "y0":
                raise InputError(name, f"each leaf needs an axis of trajectories in front, got {leaf!r}.")
        return sizes

    def __len__(self) -> int:
        return len(self.numbers)
