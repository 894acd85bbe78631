"""A problem's functions, flattened: from arrays to arrays, as the driver calls them and a compiler stages them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from evolvent import (
    DAEProblem,
    Dose,
    Event,
    InputError,
    JumpProblem,
    NonNegative,
    SecondOrderODEProblem,
    SplitODEProblem,
)
from evolvent.compiled import adapted
from evolvent.trees import Packing, Pair, flatten, is_array, is_nested, unflatten

from ._mass import mass_of


class Model:
    """The problem's state as one array, its parameters as a tuple of leaves, its functions between these.

    Python integers, strings and other objects among the parameters are constants of the model: they are part of the
    functions, all other leaves are passed.

    Parameters
    ----------
    splits : bool
        Whether of a split problem the implicit part alone is linearised.

    Attributes
    ----------
    hidden : int
        How many of the last events are a method's own, and not the problem's.
    random : bool
        Whether the functions draw random numbers: `seeded` then tells them the key.
    """

    hidden: int = 0
    random: bool = False

    def __init__(self, problem: Any, backend: Any, splits: bool = False):
        self.problem = problem
        self.backend = backend
        self.splits = splits
        leaves, self.params_structure = flatten(problem.params)
        self.leaves = leaves
        self.dynamic = [i for i, leaf in enumerate(leaves) if _is_dynamic(leaf)]
        self.params0 = tuple(self._passed(leaves[i]) for i in self.dynamic)
        self._last: tuple[Any, Any] = (None, None)
        self.y0, self.packing = self._state0(problem.state0)
        self.right_sides = {
            name: adapted(getattr(problem, name), 4 if name in ("a", "residual") else 3)
            for name in _right_sides(problem)
        }
        self.mass, self.mass_pattern = mass_of(self)
        events = problem.events
        self.events: list[Event] = [event for event in events if isinstance(event, Event)]
        self.doses: list[Dose] = [event for event in events if isinstance(event, Dose)]

    def _passed(self, leaf: Any) -> Any:
        # A NumPy scalar would draw other libraries' arrays into NumPy.
        return leaf.item() if isinstance(leaf, np.generic) and self.backend.xp is not np else leaf

    def _state0(self, state: Any) -> tuple[Any, Packing]:
        b = self.backend
        if isinstance(self.problem, SecondOrderODEProblem):
            q, v = b.initial(state[0], "q0"), b.initial(state[1], "v0")
            dtype = b.xp.result_type(q.dtype, v.dtype)
            return b.xp.stack([b.xp.astype(q, dtype), b.xp.astype(v, dtype)]), Pair()
        if not is_nested(state):
            (dtype,) = self._kinds([state])
            if getattr(self.problem, "hopping", None) is not None:
                return self._flat(self._initial(state, dtype), dtype)
            return self._initial(state, dtype), Packing(dtype=dtype)
        leaves, structure = flatten(state, lists=False)
        dtypes = self._kinds(leaves)
        arrays = [self._initial(leaf, dtype) for leaf, dtype in zip(leaves, dtypes, strict=True)]
        dtype = b.xp.result_type(*(array.dtype for array in arrays))
        flat = [b.xp.reshape(b.xp.astype(array, dtype), (-1, *b.lanes)) for array in arrays]
        return b.xp.concat(flat, axis=0), Packing(arrays, structure, len(b.lanes), dtypes=dtypes)

    def _flat(self, array: Any, dtype: Any) -> tuple[Any, Packing]:
        """Counts at sites as a vector; the user has them as they were given."""
        b = self.backend
        packing = Packing([array], flatten(array)[1], len(b.lanes), dtypes=[dtype])
        return b.xp.reshape(array, (-1, *b.lanes)), packing

    def _initial(self, leaf: Any, counted: Any) -> Any:
        """A leaf of the state as a floating array: counts in the precision of times, which holds more of them."""
        b = self.backend
        if counted is not None:
            array = leaf if is_array(leaf) else b.xp.asarray(leaf, device=b.device)
            leaf = b.xp.astype(array, getattr(b, "real_type", b.xp.float64))
        return b.initial(leaf, "y0")

    def _kinds(self, leaves: list[Any]) -> list[Any]:
        """Of each leaf of the state the integer dtype of its counts; None where it is a quantity."""
        counts = isinstance(self.problem, JumpProblem)
        return [self._counted(leaf) if counts else None for leaf in leaves]

    def _counted(self, leaf: Any) -> Any:
        """The integer dtype of counts, which are computed with as reals and given back as what they were."""
        b = self.backend
        dtype = (leaf if is_array(leaf) else b.xp.asarray(leaf, device=b.device)).dtype
        return dtype if b.xp.isdtype(dtype, "integral") else None

    def params(self, leaves: tuple[Any, ...]) -> Any:
        """Rebuild the user's parameters of their passed leaves."""
        last = self._last  # read once: threads share a model
        if last[0] is leaves:
            return last[1]
        full = list(self.leaves)
        for i, leaf in zip(self.dynamic, leaves, strict=True):
            full[i] = leaf
        tree = unflatten(self.params_structure, full)
        self._last = (leaves, tree)
        return tree

    def passed(self, params: Any, what: str) -> tuple[Any, ...]:
        """Split parameters of the problem's structure into the leaves that are passed."""
        leaves, structure = flatten(params)
        self._require_structure(structure, what)
        return tuple(self._passed(leaves[i]) for i in self.dynamic)

    def _require_structure(self, structure: Any, what: str) -> None:
        if structure != self.params_structure:
            raise InputError(what, f"params must keep their structure, {self.params_structure}, got {structure}.")

    def same_kind(self, params: Any) -> tuple[Any, ...] | None:
        """The leaves of other parameters that are passed; None where they are not what the functions were made for."""
        leaves, structure = flatten(params)
        self._require_structure(structure, "params")
        found = []
        for leaf, own in zip(leaves, self.leaves, strict=True):
            if not _is_dynamic(own):
                if leaf is not own and not (type(leaf) is type(own) and isinstance(leaf, int | str) and leaf == own):
                    return None
                continue
            if isinstance(own, float) and type(leaf) is int:
                leaf = float(leaf)
            if not _alike(leaf, own):
                return None
            found.append(self._passed(leaf))
        return tuple(found)

    def another(self, state: Any) -> Any:
        """Another initial state as one array; None where it is not of the kind and shape of the problem's."""
        given, own = self._parts(state), self._parts(self.problem.state0)
        if given is None or own is None or not all(map(_alike, given, own)):
            return None
        y0 = self._state0(state)[0]
        return y0 if y0.shape == self.y0.shape and y0.dtype == self.y0.dtype else None

    def _parts(self, state: Any) -> Any:
        """The arrays that a state is given as; None where its structure is not that of the problem's."""
        if isinstance(self.packing, Pair):
            return state if isinstance(state, tuple | list) and len(state) == 2 else None
        if self.packing.structure is None:
            return (state,)
        leaves, structure = flatten(state, lists=False)
        return leaves if structure == self.packing.structure else None

    def functions(self, save: Callable[..., Any] | None, stepper: Any) -> dict[str, Callable[..., Any]]:
        """List the flat functions of the problem, and those that the user gave to the stepper, by name."""
        problem = self.problem
        found: dict[str, Callable[..., Any]] = {}
        for name in self.right_sides:
            if name == "a":
                found["acceleration"] = self._acceleration
            elif name == "residual":
                found["residual"] = self.residual
            else:
                found[name] = partial(self._f, name)
        if self.events:
            found["conditions"] = self._conditions
        for i, event in enumerate(self.events):
            if event.effect is not None:
                found[f"effect{i}"] = self._effect(event.effect)
        for i, dose in enumerate(self.doses):
            found[f"dose{i}"] = self._effect(dose.effect)
        if save is not None:
            found["save"] = lambda t, y, params: self._call(save, t, y, params)
        for name in stepper.user_functions:
            given = getattr(stepper, name)
            if given is not None:
                found[name] = lambda t, y, params, given=given: self._call(given, t, y, params)
        if callable(problem.domain):
            found["inside"] = self._inside
        return {name: marked(function, name) for name, function in found.items()}

    def _call(self, function, t, y, params):
        b = self.backend
        return b.called(function, b.time(t, y), self.packing.unpack(b, y), self.params(params))

    def _f(self, name, t, y, params):
        b = self.backend
        value = b.asked(self.right_sides[name], y, b.time(t, y), self.packing.unpack(b, y), self.params(params))
        return self.packing.pack(b, value, y, name)

    def derivative(self, t, y, params) -> Any:
        """What implicit methods linearise: f, the first-order form of an acceleration, of a sum what is implicit."""
        if "a" in self.right_sides:
            return self.backend.xp.stack([y[1, ...], self._acceleration(t, y[0, ...], y[1, ...], params)])
        if "f_implicit" not in self.right_sides:
            return self._f("f", t, y, params)
        implicit = self._f("f_implicit", t, y, params)
        return implicit if self.splits else implicit + self._f("f_explicit", t, y, params)

    def residual(self, t, y, yp, params) -> Any:
        """What is left of an implicit problem's equations."""
        b, unpack = self.backend, self.packing.unpack
        given = self.right_sides["residual"]
        value = b.asked(given, y, b.time(t, y), unpack(b, y), unpack(b, yp), self.params(params))
        return self.packing.pack(b, value, y, "residual")

    def like_state(self, given: Any, dtype: Any) -> Any:
        """What the user gives of every entry of the state, (n,) in flat order on the host; lanes have it in common."""
        leaves = [np.asarray(self.backend.host(leaf), dtype=dtype) for leaf in flatten(given, lists=False)[0]]
        return np.concatenate([leaf.reshape(-1) for leaf in leaves])

    def given_jacobian(self, t, y, params) -> Any:
        """What the user's jacobian returns."""
        return self._call(self.problem.jacobian, t, y, params)

    def given_jacobians(self, t, y, yp, params) -> Any:
        """What the user's jacobian of an implicit problem returns."""
        b, unpack = self.backend, self.packing.unpack
        return b.called(self.problem.jacobian, b.time(t, y), unpack(b, y), unpack(b, yp), self.params(params))

    def _acceleration(self, t, q, v, params):
        b = self.backend
        return b.as_state(b.asked(self.right_sides["a"], v, b.time(t, q), q, v, self.params(params)), q, "a")

    def require_velocity_free(self, stepper: Any) -> None:
        """Refuse an acceleration that changes with the velocity, for a method that would silently be wrong then."""
        b = self.backend
        t = b.time(b.real(self.problem.t_span[0]), self.y0)
        q, v = self.packing.unpack(b, self.y0)
        params = self.params(self.params0)
        here, there = (b.as_state(self.right_sides["a"](t, q, u, params), q, "a") for u in (v, 1.5 * v + 1.0))
        if not bool(b.xp.all((here == there) | (here != here))):
            raise InputError(
                "algorithm",
                f"{stepper.name} is for accelerations that don't depend on the velocity, and this one does.",
                "Take Nystrom4, or a method for first-order problems such as Tsit5.",
            )

    def _conditions(self, t, y, params):
        values = [self._call(event.condition, t, y, params) for event in self.events]
        for i, value in enumerate(values):
            self._require_scalar(value, "condition", f"of event {i} ")
            if isinstance(value, bool | np.bool_) or (is_array(value) and self.backend.is_boolean(value.dtype)):
                raise InputError(
                    "condition",
                    f"of event {i} must return a number that passes through zero, got a truth value.",
                    "Return what is compared with zero: y[0], not y[0] < 0.",
                )
        return tuple(values)

    def _inside(self, t, y, params):
        value = self._call(self.problem.domain, t, y, params)
        self._require_scalar(value, "domain")
        b = self.backend
        return b.xp.astype(value, b.real_dtype(y.dtype)) if is_array(value) else float(value)

    def _require_scalar(self, value: Any, argument: str, which: str = "") -> None:
        if not (is_array(value) or isinstance(value, int | float | np.number | np.bool_)):
            raise InputError(argument, f"{which}must return a real scalar, got {value!r}.")
        shape = tuple(getattr(value, "shape", ()))
        if shape not in ((), self.backend.lanes):
            raise InputError(argument, f"{which}must return a real scalar, got shape {shape}.")

    def _effect(self, effect):
        def apply(t, y, params):
            value = self._call(effect, t, y, params)
            if self._is_pair(value):
                value, changed = value
                params = self.passed(changed, "effect")
            return self.packing.pack(self.backend, value, y, "effect"), params

        return apply

    def _is_pair(self, value: Any) -> bool:
        """Whether an effect returned (y, params), not y alone."""
        if not (isinstance(value, tuple) and len(value) == 2) or hasattr(value, "_fields"):
            return False
        if isinstance(self.packing, Pair):
            # (q, v), or ((q, v), params)
            return isinstance(value[0], tuple) and flatten(value[1])[1] == self.params_structure
        if self.packing.structure is None:
            first = value[0]
            return isinstance(first, list | tuple) or (is_array(first) and first.shape != ()) or self.y0.shape == ()
        return flatten(value)[1] != self.packing.structure

    def seeded(self, inputs: Any) -> Any:
        """The inputs of a solve with what depends on the key of its random numbers."""
        return inputs

    def tolerances(self, rtol: Any, atol: Any) -> tuple[Any, Any]:
        """The tolerances of the state, from those of the user's part of it."""
        return rtol, atol

    def judged(self, state: Any) -> Any:
        """The last state of a solve, with its status as the functions explain it."""
        return state

    def diagnosis(self, state: Any) -> str:
        """Say of a failed solve which function is to blame, if that is known."""
        return ""

    @property
    def nonnegative(self) -> NonNegative | None:
        domain = self.problem.domain
        return domain if isinstance(domain, NonNegative) else None


def _right_sides(problem: Any) -> tuple[str, ...]:
    if isinstance(problem, SecondOrderODEProblem):
        return ("a",)
    if isinstance(problem, DAEProblem):
        return ("residual",)
    if isinstance(problem, JumpProblem):
        return ()
    return ("f_implicit", "f_explicit") if isinstance(problem, SplitODEProblem) else ("f",)


def _is_dynamic(leaf: Any) -> bool:
    return is_array(leaf) or (isinstance(leaf, float | complex | np.inexact) and not isinstance(leaf, bool))


def _alike(given: Any, own: Any) -> bool:
    """Whether a leaf has the type, shape and dtype of another, as far as a compiled function can tell."""
    if is_array(own):
        return type(given) is type(own) and given.shape == own.shape and given.dtype == own.dtype
    if isinstance(own, float) and isinstance(given, float):
        return True
    if type(given) is not type(own):
        return False
    if type(own) is list:
        return len(given) == len(own) and all(type(x) is float for x in given)
    return isinstance(own, complex | np.inexact)


def marked(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Let an exception say which function of the user it came from."""

    def call(*arguments):
        try:
            return function(*arguments)
        except Exception as error:
            error.__dict__.setdefault("evolvent_function", name)
            if isinstance(error, ValueError) and "read-only" in str(error):
                error.add_note(
                    "evolvent: the state is closed for writing, because a step may be taken again. Return new arrays."
                )
            raise

    return call
