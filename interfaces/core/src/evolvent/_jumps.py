"""Jump problems: what happens at random times, and how often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np

from ._errors import InputError
from ._events import check_arity
from ._neighbours import Neighbours, neighbours_of
from ._problem import InitialValueProblem
from ._problem_checks import check_state
from ._trees import flatten, is_nested


@dataclass(frozen=True, eq=False)
class MassAction:
    """Reactions by the law of mass action, as arrays: one row a reaction, one column a species.

    A reaction that takes ``reactants[j, i]`` of species i happens at the rate ``rates[j]`` times the number of ways to
    choose its reactants, the product over i of ``binomial(y[i], reactants[j, i])``, and adds ``net[j, i]`` to y[i].

    Parameters
    ----------
    rates : array (reactions,), or callable
        Rate constants, not negative; or ``rates(params)``, which gives them and is asked again whenever an event
        changes the parameters. With `Hopping` also (reactions, sites).
    reactants : array of int (reactions, species), sparse matrix of SciPy, or sequence of dict
        How many of each species a reaction takes. A dict for each reaction has its species' places in y, or names
        where y0 is a dict, and how many: ``[{"S": 1, "I": 1}, {"I": 1}]``.
    net : as `reactants`
        By how much each species changes.
    names : sequence of str, optional
        What messages call the reactions.
    combinatoric : bool
        Whether to count ways to choose, as above. With False the factor is ``y (y - 1) ...`` without the division by
        the factorial, as where rate constants were written for ordered collisions.

    Raises
    ------
    InputError
        If the arrays don't fit each other.

    Examples
    --------
    >>> import evolvent as ev
    >>> infection = ev.MassAction([1e-4, 0.01], [{0: 1, 1: 1}, {1: 1}], [{0: -1, 1: 1}, {1: -1, 2: 1}])
    >>> len(infection)
    2
    """

    rates: Any
    reactants: Any
    net: Any
    names: Sequence[str] | None = None
    combinatoric: bool = True

    def __post_init__(self) -> None:
        for name in ("reactants", "net"):
            object.__setattr__(self, name, _rows(name, getattr(self, name)))
        if len(self.reactants) != len(self.net):
            raise InputError("net", f"has {len(self.net)} reactions, and reactants {len(self.reactants)}.")
        for j, row in enumerate(self.reactants):
            if any(count < 0 for count in row.values()):
                raise InputError("reactants", f"of reaction {j} are negative: {row!r}.")
        if callable(self.rates):
            check_arity("rates", self.rates, "params")
        elif not hasattr(self.rates, "aval") and not (hasattr(self.rates, "shape") and hasattr(self.rates, "device")):
            self._check_rates()
        if self.names is not None and len(self.names) != len(self):
            raise InputError("names", f"must be one for each of {len(self)} reactions, got {len(self.names)}.")

    def _check_rates(self) -> None:
        try:
            rates = np.asarray(self.rates, dtype=float)
        except (TypeError, ValueError):
            raise InputError("rates", f"must be numbers or a function of params, got {self.rates!r}.") from None
        if rates.ndim not in (1, 2) or rates.shape[0] != len(self):
            raise InputError("rates", f"must be one for each of {len(self)} reactions, got shape {rates.shape}.")
        wrong = np.argwhere(~(np.isfinite(rates) & (rates >= 0.0)))
        if wrong.size:
            j = int(wrong[0, 0])
            value = rates[tuple(wrong[0])]
            raise InputError("rates", f"must be finite and not negative; that of {self.name_of(j)} is {value}.")

    def __len__(self) -> int:
        return len(self.reactants)

    def name_of(self, j: int) -> str:
        """What messages call reaction j."""
        return f"reaction {j}" if self.names is None else str(self.names[j])


@dataclass(frozen=True, eq=False)
class ConstantRate:
    """A jump whose rate stays as it is until something happens: it depends on the state and parameters alone.

    Over an ODE, whose state moves all the time, it is a `VariableRate`.

    Parameters
    ----------
    rate : callable
        ``rate(t, y, params)``: a real scalar, not negative. Time may not matter: it is that of the last change.
    effect : callable
        ``effect(t, y, params)``: the new y. Must be pure.
    name : str, optional
        What messages call it.

    Examples
    --------
    >>> import evolvent as ev
    >>> birth = ev.ConstantRate(lambda t, y, p: p["birth"] * y[0], lambda t, y, p: [y[0] + 1])
    """

    rate: Callable[..., Any]
    effect: Callable[..., Any]
    name: str | None = None

    def __post_init__(self) -> None:
        _check_jump(self)


@dataclass(frozen=True, eq=False)
class VariableRate:
    """A jump whose rate changes between the jumps: with time, or with a state that an ODE moves.

    With bounds it is simulated by thinning: candidates come at the upper bound's rate, and one that comes where the
    rate is ``r`` happens with probability ``r / upper_bound``. Without, its hazard is integrated along.

    Parameters
    ----------
    rate : callable
        ``rate(t, y, params)``: a real scalar, not negative.
    effect : callable
        ``effect(t, y, params)``: the new y. Must be pure.
    upper_bound : callable, optional
        ``upper_bound(t, y, params)``: what the rate does not exceed from t on, for as long as `valid_for` says and no
        other jump happens.
    lower_bound : callable, optional
        ``lower_bound(t, y, params)``: what it does not fall below; candidates below it happen without a look at the
        rate, which pays where that is dear.
    valid_for : callable, optional
        ``valid_for(t, y, params)``: for how long the bounds hold; for ever when None.
    name : str, optional
        What messages call it.

    Examples
    --------
    >>> import numpy as np
    >>> import evolvent as ev
    >>> daily = ev.VariableRate(
    ...     lambda t, y, p: 1.0 + np.sin(2 * np.pi * t), lambda t, y, p: y + 1, upper_bound=lambda t, y, p: 2.0
    ... )
    """

    rate: Callable[..., Any]
    effect: Callable[..., Any]
    upper_bound: Callable[..., Any] | None = None
    lower_bound: Callable[..., Any] | None = None
    valid_for: Callable[..., Any] | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        _check_jump(self)
        for name in ("upper_bound", "lower_bound", "valid_for"):
            given = getattr(self, name)
            if given is None:
                continue
            if self.upper_bound is None:
                raise InputError(name, "is of use only with an upper_bound.", "Give upper_bound= too, or leave it out.")
            if not callable(given):
                raise InputError(name, f"must be a function (t, y, params), got {given!r}.")
            check_arity(name, given, "t, y, params")


@dataclass(frozen=True, eq=False)
class Hopping:
    """Individuals that hop from a site to its neighbours: a state of counts at sites, each its own well-stirred pot.

    The state is then (species, sites), or (species, *shape) on a grid, or a dict of one array of sites for each
    species. `MassAction` happens at each site on the counts that are there.

    Parameters
    ----------
    rates : array (species,) or (species, sites), or callable
        How often an individual hops to each of its neighbours, not negative; by the site that it hops from in the
        second form. Or ``rates(params)``, which gives them and is asked again whenever an event changes the parameters.
    graph : int, tuple of int, matrix (sites, sites), sparse matrix of SciPy, or graph of networkx
        The shape of a Cartesian grid; or the weights, by which rates are multiplied, of hops from the row's site to the
        column's; or a graph, whose edges may have a ``weight``, with sites in the order of its nodes.
    periodic : bool
        Whether a grid's ends are joined. Otherwise who is at a boundary stays inside.
    name : str, optional
        What messages call it.

    Raises
    ------
    InputError
        If an argument can't be used; it names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> import evolvent as ev
    >>> diffusion = ev.Hopping([1.0], (3,))
    >>> diffusion.neighbours.target.tolist()
    [1, 0, 2, 1]
    >>> problem = ev.JumpProblem(np.array([[9, 0, 0]]), (0.0, 5.0), jumps=[diffusion])
    >>> int(ev.solve(problem, "NSM", saveat="end", seed=1).y.sum())
    9
    """

    rates: Any
    graph: Any
    periodic: bool = False
    name: str | None = None
    neighbours: Neighbours = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "neighbours", neighbours_of(self.graph, self.periodic))
        if callable(self.rates):
            check_arity("rates", self.rates, "params")
        elif not hasattr(self.rates, "aval") and not (hasattr(self.rates, "shape") and hasattr(self.rates, "device")):
            self._check_rates()

    def _check_rates(self) -> None:
        try:
            rates = np.asarray(self.rates, dtype=float)
        except (TypeError, ValueError):
            raise InputError("rates", f"must be numbers or a function of params, got {self.rates!r}.") from None
        n = self.neighbours.n_sites
        if rates.ndim not in (1, 2) or (rates.ndim == 2 and rates.shape[1] != n):
            raise InputError("rates", f"must be (species,) or (species, {n} sites), got shape {rates.shape}.")
        if not np.all(np.isfinite(rates) & (rates >= 0.0)):
            raise InputError("rates", f"must be finite and not negative, got {self.rates!r}.")


Jump = MassAction | ConstantRate | VariableRate | Hopping


@dataclass(frozen=True, eq=False)
class JumpProblem(InitialValueProblem):
    """A Markov jump process: a state that changes at random times, and stays or is moved by an ODE in between.

    Parameters
    ----------
    y0 : array, list of numbers, or nested dict, tuple, NamedTuple or dataclass of these
        Initial state; counts may be integers, and are integers in the solution then.
    t_span : (float, float)
        Start and end, the end after the start.
    params : tree of arrays and numbers, optional
        Passed to rates and effects as it is.
    jumps : sequence of MassAction, ConstantRate, VariableRate and Hopping
        What may happen.
    over : ODEProblem, optional
        What moves the state between the jumps. It brings y0, t_span, params, events and all else, which are then left
        out.
    dependencies : sequence of sequences of int, optional
        For each jump, counted through `jumps` with each reaction as one, the jumps whose rates it may change. Found
        from the arrays and functions where not given.
    events : sequence of Event and Dose
        What else happens on the way. Conditions are looked at behind every jump.

    Raises
    ------
    InputError
        If an argument can't be used; it names the argument.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.MassAction([0.5], reactants=[{0: 1}], net=[{0: -1}])
    >>> ev.JumpProblem([100], (0.0, 10.0), jumps=[decay]).t_span
    (0.0, 10.0)
    """

    y0: Any = None
    t_span: Any = None
    params: Any = None
    jumps: Any = field(default=(), kw_only=True)
    over: Any = field(default=None, kw_only=True)
    dependencies: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.over is not None:
            self._take_over()
        jumps = (self.jumps,) if isinstance(self.jumps, Jump) else self.jumps
        if not isinstance(jumps, Sequence) or not jumps or not all(isinstance(jump, Jump) for jump in jumps):
            raise InputError(
                "jumps",
                f"must be a sequence of ev.MassAction, ev.ConstantRate, ev.VariableRate and ev.Hopping, "
                f"got {self.jumps!r}.",
            )
        object.__setattr__(self, "jumps", tuple(jumps))
        if self.y0 is None:
            raise InputError("y0", "is missing.", "Give the initial state, or over= a problem that has one.")
        check_state("y0", self.y0)
        self._check_sites()
        self._check_course()
        if self.over is None and not any(hasattr(t, "aval") for t in self.t_span) and self.t_span[1] < self.t_span[0]:
            raise InputError("t_span", f"must go forward in time, got {self.t_span!r}.")
        if self.dependencies is not None and len(self.dependencies) != self.n_jumps:
            raise InputError(
                "dependencies", f"must be one for each of {self.n_jumps} jumps, got {len(self.dependencies)}."
            )

    def _take_over(self) -> None:
        if not isinstance(self.over, InitialValueProblem) or isinstance(self.over, JumpProblem):
            raise InputError("over", f"must be a problem such as ev.ODEProblem, got {self.over!r}.")
        for name in ("y0", "t_span", "params"):
            own, given = getattr(self.over, "state0" if name == "y0" else name), getattr(self, name)
            if given is not None and given is not own:
                raise InputError(name, "comes with the problem given as over=.", "Leave it out, or replace it there.")
            object.__setattr__(self, name, own)
        for name in ("events", "discontinuities", "domain"):
            if getattr(self, name) not in ((), None):
                raise InputError(name, "comes with the problem given as over=.", f"Give {name}= to that.")

    def _check_sites(self) -> None:
        hopping, jumps = self.hopping, self.jumps
        if hopping is None:
            if any(np.ndim(jump.rates) == 2 for jump in jumps if isinstance(jump, MassAction)):
                raise InputError("rates", "of mass action for each site are for problems with ev.Hopping.")
            return
        if sum(isinstance(jump, Hopping) for jump in jumps) > 1:
            raise InputError("jumps", "has more than one ev.Hopping.", "Give one, with all species' rates.")
        for name in ("over", "dependencies"):
            if getattr(self, name) is not None:
                raise InputError(name, "can't be combined with ev.Hopping.", "Leave it out.")
        n, shape = hopping.neighbours.n_sites, hopping.neighbours.shape
        if is_nested(self.y0):
            for leaf in flatten(self.y0, lists=False)[0]:
                if np.shape(leaf) not in ((n,), shape):
                    raise InputError("y0", f"must have an array of {n} sites for each species, got {self.y0!r}.")
            species = len(flatten(self.y0, lists=False)[0])
        else:
            given = np.shape(self.y0)
            if given[1:] not in ((n,), shape):
                raise InputError("y0", f"must be (species, {n} sites), got shape {given}.")
            species = given[0]
        for jump in jumps:
            if isinstance(jump, MassAction | Hopping) and not callable(jump.rates):
                rows = len(jump) if isinstance(jump, MassAction) else species
                if np.shape(jump.rates) not in ((rows,), (rows, n)):
                    raise InputError("rates", f"must be ({rows},) or ({rows}, {n} sites), got {np.shape(jump.rates)}.")

    @property
    def hopping(self) -> Hopping | None:
        """How individuals hop between sites; None where there are no sites."""
        return next((jump for jump in self.jumps if isinstance(jump, Hopping)), None)

    def replace(self, **changes: Any) -> Any:
        """Make a variant of this problem: over an ODE, what belongs to that is replaced there."""
        if self.over is None or changes.get("over", self) is None:
            return super().replace(**changes)
        over, fields = changes.pop("over", self.over), signature(type(self.over)).parameters
        there = {name: changes.pop(name) for name in list(changes) if name in fields}
        if "y0" in changes and "q0" in fields:
            there["q0"], there["v0"] = changes.pop("y0")
        over = over.replace(**there) if there else over
        return super().replace(**changes, over=over, y0=None, t_span=None, params=None)

    @property
    def n_jumps(self) -> int:
        """How many kinds of jumps there are, each reaction one."""
        return sum(len(jump) if isinstance(jump, MassAction) else 1 for jump in self.jumps)

    @property
    def names(self) -> list[str]:
        """What messages call the jumps, in their order."""
        found: list[str] = []
        for jump in self.jumps:
            if isinstance(jump, MassAction):
                found += [jump.name_of(j) for j in range(len(jump))]
            else:
                default = "hopping" if isinstance(jump, Hopping) else f"jump {len(found)}"
                found.append(default if jump.name is None else jump.name)
        return found

    @property
    def state0(self) -> Any:
        """The initial state as the user's functions see it."""
        return self.y0


def _check_jump(jump: Any) -> None:
    for name in ("rate", "effect"):
        function = getattr(jump, name)
        if not callable(function):
            raise InputError(name, f"must be a function (t, y, params), got {function!r}.")
        check_arity(name, function, "t, y, params")


def _rows(name: str, given: Any) -> tuple[dict[Any, int], ...]:
    """Stoichiometry as a dict for each reaction, without zeros."""
    if hasattr(given, "tocoo"):
        coo = given.tocoo()
        found: list[dict[Any, Any]] = [{} for _ in range(coo.shape[0])]
        for j, i, count in zip(coo.row.tolist(), coo.col.tolist(), coo.data.tolist(), strict=True):
            found[j][i] = found[j].get(i, 0) + count
    elif isinstance(given, Sequence) and all(isinstance(row, dict) for row in given):
        found = [dict(row) for row in given]
    else:
        found = _dense_rows(name, given)
    for j, row in enumerate(found):
        for species, count in row.items():
            if count != int(count):
                raise InputError(name, f"of reaction {j} must be whole numbers, got {count!r} of {species!r}.")
    return tuple({species: int(count) for species, count in row.items() if count} for row in found)


def _dense_rows(name: str, given: Any) -> list[dict[Any, Any]]:
    try:
        array = np.asarray(given)
    except ValueError:
        array = np.asarray(None)
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise InputError(name, f"must be an array (reactions, species) or a dict for each reaction, got {given!r}.")
    return [{int(i): row[i].item() for i in np.flatnonzero(row)} for row in array]
