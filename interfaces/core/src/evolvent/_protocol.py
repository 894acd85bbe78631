"""What everybody codes against: the backend protocol, and how a plugin offers a backend."""

from __future__ import annotations

from typing import Any, Protocol


class Backend(Protocol):
    """What a problem's arrays are run by; one is made for each solve.

    Two planes: state-sized arrays are the *data plane*, in the user's library and on the user's device. Times, step
    sizes, error norms, counters and decisions are the *control plane*: Python numbers in the eager backend, one entry
    per trajectory in lanes, traced scalars in JAX and native code. Algorithms use Python's arithmetic on both, the
    functions below for all else, and never branch on a value.

    The first part is what algorithms use. The second, from `initial` on, is what drivers use besides. A backend of
    another kind than JAX's best inherits `EagerBackend` and replaces what it can do better.

    Attributes
    ----------
    name : str
        "eager", "jax", ...
    label, device_label, note : str
        What the statistics call it, where it ran, and why it did not do the usual thing; that derivatives were finite
        differences, too.
    xp : namespace
        The Array API namespace of the data plane.
    device
        Where new arrays are made; None for the library's default.
    control : namespace
        Functions of control scalars: where, minimum, maximum, abs, sqrt, power, log, exp, floor, ceil, sign, isfinite,
        logical_and, logical_or, logical_not, nextafter.
    tables : namespace
        What tables of control-plane numbers are made with.
    traced : bool
        Whether values are unknown while the driver runs: shapes must not depend on them.
    compiled : bool
        Whether programs are compiled, so that many operations on single numbers cost little.
    rematerialise : bool
        Whether taking a step again is cheaper than carrying its stages through the loop.
    differentiates : bool
        Whether derivatives may be taken through this solve, so that event times must carry them.
    unbounded : bool
        Whether records grow as they must. Where they don't, `put` may write in place: drivers thread each record
        through a solve without ever keeping two versions of it.
    sweeps : bool
        Whether a loop over the times to save around one over the steps suits it better than one over the steps alone.
    lanes : tuple of int
        The trailing axes that hold one trajectory each: () or (trajectories,).
    epsilon : float
        Spacing of control-plane reals at one.
    slice : int or None
        Steps before the host looks at the clock and the keyboard; None where Python looks all the time.
    forced : bool
        Whether the user named this backend: then what it can't run is an error, and no other backend runs it.
    """

    name: str
    label: str
    device_label: str
    note: str
    xp: Any
    device: Any
    control: Any
    tables: Any
    traced: bool
    compiled: bool
    rematerialise: bool
    differentiates: bool
    unbounded: bool
    sweeps: bool
    lanes: tuple[int, ...]
    epsilon: float
    slice: int | None
    forced: bool

    # ---------------------------------------------------------------- for algorithms: the control plane
    def real(self, value) -> Any:
        """Make a control-plane real."""
        ...

    def integer(self, value) -> Any:
        """Make a control-plane integer."""
        ...

    def boolean(self, value) -> Any:
        """Make a control-plane truth value."""
        ...

    def table(self, values) -> Any:
        """Make a constant table of control-plane numbers."""
        ...

    def pick(self, table, *index) -> Any:
        """Read a table at control-plane integers."""
        ...

    def replaced(self, table, index, value) -> Any:
        """An array of the control plane with the entry at a control-plane integer replaced.

        What `memory` gave is written to in place: the array given must not be used any more.
        """
        ...

    def memory(self, array, into=None) -> Any:
        """An array of the control plane (n,), as memory that `replaced` writes to in place and `pick` reads.

        In loops and branches it is passed on like any leaf. `into` is memory that it may have in place of new one.
        """
        ...

    def whole(self, memory) -> Any:
        """The array that memory holds now; an array as it is."""
        ...

    def to_control(self, *scalars) -> Any:
        """Bring data-plane scalars to the control plane, all in one transfer; derivatives don't follow."""
        ...

    # ---------------------------------------------------------------- for algorithms: the data plane
    def time(self, t, like) -> Any:
        """Make a control-plane time a data-plane scalar of the precision of `like`."""
        ...

    def zeros_like(self, x) -> Any:
        """Make zeros."""
        ...

    def combine(self, y, dt, weights, ks) -> Any:
        """Compute ``y + dt * sum(weights[i] * ks[i])``, with y left out when None; zero weights shield."""
        ...

    def rms(self, x) -> Any:
        """The root of the mean square, a data-plane scalar (one per lane)."""
        ...

    def scaled_norm(self, error, y0, y1, rtol, atol) -> Any:
        """The root mean square of ``error / (atol + rtol * max(|y0|, |y1|))``."""
        ...

    def stop_gradient(self, x) -> Any:
        """The same tree, for derivatives a constant."""
        ...

    # ---------------------------------------------------------------- for algorithms: control flow, on trees
    def select(self, pred, yes, no) -> Any:
        """Choose between two trees of one structure, both computed."""
        ...

    def cond(self, pred, yes, no, *operands) -> Any:
        """Call one of two functions."""
        ...

    def while_loop(self, cond, body, carry, *, max_iterations, resumable=False, records=None) -> Any:
        """Repeat `body` while `cond` holds, with a carry of fixed structure."""
        ...

    # ---------------------------------------------------------------- for algorithms: linear systems
    def lu(self, matrix) -> Any:
        """Factorise a dense data-plane matrix (n, n), real or complex, for `lu_solve`.

        The factors are a tree of arrays of fixed structure and shapes, to be carried through loops. With lanes the
        matrix is (n, n, lanes). Of a matrix that is singular or not finite they give results that are not finite;
        nothing is raised and nobody warned.
        """
        ...

    def lu_solve(self, factors, rhs) -> Any:
        """Solve for a right side (n,), with lanes (n, lanes); complex where the matrix is."""
        ...

    def sparse_lu(self, symbolic, values) -> Any:
        """Factorise the sparse matrix whose entries have these values (entries,), for `sparse_solve`.

        `symbolic` holds what is known of it beforehand: the order of pivots (`rows`, `columns`), the permuted pattern
        (`by_columns`) and, for those who run loops of their own, their `plan`; it is hashed by its content, `digest`.
        The factors are a tree of fixed structure, whose leaves are opaque where nothing is traced. With lanes values
        are (entries, lanes). Of a matrix that is singular or not finite they give results that are not finite.
        """
        ...

    def sparse_solve(self, symbolic, factors, rhs) -> Any:
        """Solve for right sides (n,) or (n, m), with lanes (n, lanes); complex where the matrix is."""
        ...

    # ---------------------------------------------------------------- for algorithms: derivatives
    def jvp(self, function, x, dx) -> Any:
        """The function's value and its derivative along `dx`."""
        ...

    def vjp(self, function, x) -> Any:
        """The function's value and its pullback."""
        ...

    def jacobian(self, function, x) -> Any:
        """The dense Jacobian of a function of an array, (size of its value, size of x), both in flat order.

        With lanes it is (size of the value, size of x, lanes), of one trajectory's sizes. Functions of complex arrays
        are taken to be holomorphic.
        """
        ...

    def sparse_jacobian(self, function, x, pattern) -> Any:
        """The Jacobian's entries at the places of a `Pattern`, in its order: (pattern.size,) and lanes."""
        ...

    def sparsity(self, function, x, *others) -> Any:
        """The `Pattern` of the Jacobian of ``function(x, *others)`` by x, for all values; None where nobody can tell.

        Arrays that the function closed over count with their values: what may change belongs in `others`.
        """
        ...

    def dependence(self, function, x, *others) -> Any:
        """The `Pattern` of what the array ``function(x, *others)`` depends on in x, by derivatives or by steps.

        It holds for all values; None where nobody can tell. With lanes nobody is asked.
        """
        ...

    def time_derivative(self, function, t, like) -> Any:
        """The derivative of ``function(t)``, an array like `like`, by the control-plane time t."""
        ...

    # ---------------------------------------------------------------- for drivers: what users give and return
    def initial(self, value, what) -> Any:
        """Make a floating array of (a leaf of) a state, or say why that can't be."""
        ...

    def as_state(self, value, like, what) -> Any:
        """Check, and where it is a list make, an array like `like` of what a user's function returned."""
        ...

    def as_array(self, value, like, shape, what) -> Any:
        """The same with another shape."""
        ...

    def asked(self, function, y, *arguments) -> Any:
        """Call a user's right side: what it returns is nobody else's, and it leaves y alone."""
        ...

    def called(self, function, *arguments) -> Any:
        """Call another function of the user's."""
        ...

    def restore(self, x, dtype) -> Any:
        """Cast a part of a packed state to the dtype that it had."""
        ...

    def scale(self, value, like) -> Any:
        """A control-plane real as it enters arithmetic with arrays like `like`."""
        ...

    def shifted(self, t, late) -> Any:
        """A control-plane time, moved by a data-plane amount that may carry derivatives."""
        ...

    def host(self, x) -> Any:
        """Bring an array, or numbers, to the host; what is traced stays."""
        ...

    # ---------------------------------------------------------------- for drivers: records
    def rows_kept(self, y) -> int:
        """How many steps of a state like `y` a record holds, where it can't grow, before it is emptied."""
        ...

    def buffer(self, capacity, example) -> Any:
        """Make a record of trees like `example`."""
        ...

    def put(self, buffer, index, value, when) -> Any:
        """Write a row, where `when` holds."""
        ...

    def trimmed(self, buffer, count) -> Any:
        """The rows that were written."""
        ...

    def joined(self, buffers) -> Any:
        """Records behind each other."""
        ...

    def take(self, buffer, index) -> Any:
        """One row."""
        ...

    def stacked(self, buffer, example) -> Any:
        """A tree of arrays with one axis more in front."""
        ...

    def filtered(self, tree, mask) -> Any:
        """The rows of stacked arrays that a mask marks."""
        ...

    def data_times(self, times, like) -> Any:
        """Make a data-plane array of control-plane times."""
        ...

    def evaluate(self, function, steps, times, direction) -> Any:
        """Evaluate ``function(t, *step)`` in the recorded step that holds each time."""
        ...

    # ---------------------------------------------------------------- for drivers: running
    def guarded(self, function, carry) -> Any:
        """Call ``function(carry)``; an exception takes the carry with it, so that nothing is lost."""
        ...

    def landed(self, tree) -> Any:
        """Bring a tree's control-plane scalars to the host."""
        ...

    def most(self, x) -> Any:
        """The greatest entry of a control value, as a Python number."""
        ...

    def program(self, entry, functions, examples) -> Any:
        """Make ``entry(functions, *operands)`` callable on operands, compiled where the backend compiles.

        Raises
        ------
        CannotStage
            If a function can't be compiled, with the backend that runs it instead. The program may raise it too, when
            it is called first.
        """
        ...

    def in_lanes(self, lanes) -> Any:
        """The backend that runs so many trajectories at once."""
        ...


class BackendFactory(Protocol):
    """How a plugin offers a backend: by name, and by the arrays that it claims."""

    name: str

    def claims(self, array: Any) -> bool:
        """Whether this backend runs `array` by default; must not import the array's library."""
        ...

    def make(self, leaves: list[Any]) -> Any:
        """Make the backend for one solve of a problem with these arrays."""
        ...

    def devices(self) -> list[str]:
        """List what it can run on, for ``python -m evolvent``; may import."""
        ...
