"""The array that records what is done to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from . import _graph
from ._errors import StagingError, ValueNeeded, asked_by_user
from ._graph import BOOL, COMPARISONS, INT, REAL, Node, make

COMPLEX = np.dtype(np.complex128)
LISTED = 4096  # entries of the largest array that NumPy may take apart


class Array:
    """An array whose values are not known yet: operations on it become nodes of the graph being recorded.

    Parameters
    ----------
    node : Node
        What computes it.
    weak : bool
        Whether it stands for a Python number, which takes the precision of what it meets.

    Attributes
    ----------
    writable : bool
        Whether its entries may be replaced. A function's arguments may not.
    """

    __slots__ = ("_block", "_memory", "_node", "weak", "writable")

    def __init__(self, node: Node, weak: bool = False):
        self._node = node
        self._memory: Any = None
        self._block = _graph._recorder.block
        self.weak = weak
        self.writable = True

    if TYPE_CHECKING:  # given by _install, from the functions of the namespace

        def __add__(self, other: Any, /) -> Array: ...
        def __sub__(self, other: Any, /) -> Array: ...
        def __mul__(self, other: Any, /) -> Array: ...
        def __truediv__(self, other: Any, /) -> Array: ...
        def __floordiv__(self, other: Any, /) -> Array: ...
        def __mod__(self, other: Any, /) -> Array: ...
        def __pow__(self, other: Any, /) -> Array: ...
        def __and__(self, other: Any, /) -> Array: ...
        def __or__(self, other: Any, /) -> Array: ...
        def __xor__(self, other: Any, /) -> Array: ...
        def __lshift__(self, other: Any, /) -> Array: ...
        def __rshift__(self, other: Any, /) -> Array: ...
        def __matmul__(self, other: Any, /) -> Array: ...
        def __radd__(self, other: Any, /) -> Array: ...
        def __rsub__(self, other: Any, /) -> Array: ...
        def __rmul__(self, other: Any, /) -> Array: ...
        def __rtruediv__(self, other: Any, /) -> Array: ...
        def __rfloordiv__(self, other: Any, /) -> Array: ...
        def __rmod__(self, other: Any, /) -> Array: ...
        def __rpow__(self, other: Any, /) -> Array: ...
        def __rand__(self, other: Any, /) -> Array: ...
        def __ror__(self, other: Any, /) -> Array: ...
        def __rxor__(self, other: Any, /) -> Array: ...
        def __rlshift__(self, other: Any, /) -> Array: ...
        def __rrshift__(self, other: Any, /) -> Array: ...
        def __rmatmul__(self, other: Any, /) -> Array: ...
        def __iadd__(self, other: Any, /) -> Array: ...
        def __isub__(self, other: Any, /) -> Array: ...
        def __imul__(self, other: Any, /) -> Array: ...
        def __itruediv__(self, other: Any, /) -> Array: ...
        def __ifloordiv__(self, other: Any, /) -> Array: ...
        def __imod__(self, other: Any, /) -> Array: ...
        def __ipow__(self, other: Any, /) -> Array: ...
        def __iand__(self, other: Any, /) -> Array: ...
        def __ior__(self, other: Any, /) -> Array: ...
        def __ixor__(self, other: Any, /) -> Array: ...
        def __ilshift__(self, other: Any, /) -> Array: ...
        def __irshift__(self, other: Any, /) -> Array: ...
        def __imatmul__(self, other: Any, /) -> Array: ...
        def __lt__(self, other: Any, /) -> Array: ...
        def __le__(self, other: Any, /) -> Array: ...
        def __gt__(self, other: Any, /) -> Array: ...
        def __ge__(self, other: Any, /) -> Array: ...
        def __eq__(self, other: Any, /) -> Array: ...  # type: ignore[override]
        def __ne__(self, other: Any, /) -> Array: ...  # type: ignore[override]
        def __neg__(self) -> Array: ...
        def __pos__(self) -> Array: ...
        def __abs__(self) -> Array: ...
        def __invert__(self) -> Array: ...
        def __getitem__(self, key: Any, /) -> Array: ...
        def __setitem__(self, key: Any, value: Any, /) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

    # ------------------------------------------------------------ what is known of it
    @property
    def node(self) -> Node:
        """What computes it as it is now, after all writes."""
        memory = self._memory
        return self._node if memory is None else memory.settle(self)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._node.shape

    @property
    def dtype(self) -> np.dtype:
        return self._node.dtype

    @property
    def ndim(self) -> int:
        return len(self._node.shape)

    @property
    def size(self) -> int:
        return self._node.size

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def device(self) -> str:
        return "cpu"

    def to_device(self, device: Any, /, *, stream: Any = None) -> Array:
        return self

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a zero-dimensional array")
        return self.shape[0]

    def __iter__(self) -> Iterator[Array]:
        if not self.shape:
            raise TypeError("iteration over a zero-dimensional array")
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        return f"<recorded {self.dtype} array of shape {self.shape}>"

    # ------------------------------------------------------------ what is not known
    def __bool__(self) -> bool:
        return bool(self._known(_BRANCH))

    def __float__(self) -> float:
        return float(self._known(_NUMBER.format(kind="float")))

    def __int__(self) -> int:
        return int(self._known(_NUMBER.format(kind="int")))

    def __complex__(self) -> complex:
        return complex(self._known(_NUMBER.format(kind="complex")))

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"an array of {self.dtype} can't be an index or a length: use an integer one")
        return int(
            self._known(
                "a recorded value as a length or list index: take lengths from shapes, and index arrays, "
                "not lists, by recorded values: xp.take(array, i)"
            )
        )

    def item(self, *place: Any) -> Any:
        return (self[place] if place else self)._known(_NUMBER.format(kind="item")).item()

    def tolist(self) -> Any:
        return self._known("tolist() of a recorded array, whose values aren't known yet: keep it as an array").tolist()

    def __format__(self, spec: str) -> str:
        return format(self._known(_PRINTED).item(), spec) if spec or asked_by_user() else repr(self)

    def __str__(self) -> str:
        # A printed value is wanted at every call, not once.
        return str(self._known(_PRINTED)) if _graph.recording() and asked_by_user() else repr(self)

    def _known(self, asked: str) -> np.ndarray:
        node = self.node
        if node.op != "constant":
            raise ValueNeeded(asked)
        return node.value

    @property
    def __array__(self) -> NoReturn:
        # NumPy asks for this before it takes an array apart by len() and [i].
        if self.size > LISTED:
            raise StagingError(
                f"a recorded array of {self.size} entries as a NumPy array: use xp.asarray or the array itself"
            )
        raise AttributeError("__array__")

    def __dlpack__(self, **options: Any) -> NoReturn:
        raise StagingError(
            "a recorded array can't be passed to another library, for its values aren't known yet: "
            "write that part with functions of xp"
        )

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        from . import _functions

        return _functions

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        from ._numpy_protocols import ufunc_of_numpy

        return ufunc_of_numpy(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from ._numpy_protocols import function_of_numpy

        return function_of_numpy(function, args, kwargs)

    # ------------------------------------------------------------ writing
    def _allow_writing(self) -> None:
        if not self.writable:
            raise TypeError(
                "this array is read-only: arguments of a function can't be written to. Return new arrays, "
                "or write to a copy (y.copy())"
            )

    def _replace(self, node: Node) -> None:
        """Make `node` what the array is from now on."""
        memory = self._memory
        if isinstance(memory, _View):
            base = memory.base
            base._replace(memory.put_back(base, node))
            return
        self._allow_block()
        self._node = node
        if memory is not None:
            memory.pending.clear()
            memory.version += 1

    def _allow_block(self) -> None:
        if self._block is not _graph._recorder.block:
            raise StagingError(
                "a write, inside a loop's or branch's body, to an array made outside of it: "
                "make the array part of the loop's carry and return a new one"
            )

    def _put_entry(self, place: int, node: Node) -> None:
        """Replace the entry at a flat position, when the array is next read."""
        root = self
        memory = self._memory
        if isinstance(memory, _View):
            root, place = memory.root, int(memory.positions().flat[place])
            memory = root._memory
        if memory is None:
            memory = root._memory = _Memory()
        root._allow_block()
        memory.pending[place] = node
        memory.version += 1

    def _entry(self, place: int) -> Node:
        """The entry at a flat position."""
        root, memory = self, self._memory
        if isinstance(memory, _View):
            root, place = memory.root, int(memory.positions().flat[place])
            memory = root._memory
        if memory is not None:
            written = memory.pending.get(place)
            if written is not None:
                return written
        node = root._node
        if node.op == "pack":
            return node.inputs[place]
        known, key = _graph.current().known, ("entry", node, place)
        entry = known.get(key)
        if entry is None:
            flat = node if len(node.shape) == 1 else make("reshape", (node,), (node.size,), node.dtype)
            cut = make("slice", (flat,), (1,), node.dtype, ((place,), (1,)))
            entry = known[key] = make("reshape", (cut,), (), node.dtype)
        return entry


_BRANCH = (
    "a branch on a recorded value (if, while, and, or, not, min, max): write xp.where(condition, a, b), "
    "xp.logical_and(a, b), xp.minimum(a, b)"
)
_PRINTED = "a recorded value as text: leave the printing out, or look at values by on_step= or save="
_NUMBER = (
    "{kind}() of a recorded value (math.sin and the like ask for it, and so does storing into a NumPy array): "
    "write xp.sin(x), and make arrays of results by xp.stack or xp.zeros_like(y)"
)


class _Memory:
    """What was written to an array: entries that are not in its node yet, and a count for its views."""

    __slots__ = ("pending", "version")

    def __init__(self):
        self.pending: dict[int, Node] = {}
        self.version = 0

    def settle(self, array: Array) -> Node:
        if self.pending:
            # The entries came from where the array was made, even if a loop's body is the first to read it.
            with _graph.record_in(array._block):  # type: ignore[arg-type]
                array._node = _with_entries(array._node, self.pending)
            self.pending.clear()
        return array._node


def _with_entries(node: Node, entries: dict[int, Node]) -> Node:
    """The array with single entries replaced."""
    n = node.size
    if 2 * len(entries) >= n or n <= 32:
        found = [entries.get(i) for i in range(n)]
        if len(entries) < n:
            rest = _entries_of(node)
            if rest is not None:
                found = [rest[i] if x is None else x for i, x in enumerate(found)]
        if all(x is not None for x in found):
            return make("reshape", (make("pack", tuple(found), (n,), node.dtype),), node.shape, node.dtype)  # type: ignore[arg-type]
    places = sorted(entries)
    values = make("pack", tuple(entries[i] for i in places), (len(places),), node.dtype)
    return make("scatter", (node, _graph.constant(np.array(places, dtype=INT)), values), node.shape, node.dtype)


def _entries_of(node: Node) -> list[Node] | None:
    """The scalars that an array is made of, where that costs nothing."""
    while node.op == "reshape":
        node = node.inputs[0]
    if node.op == "pack":
        return list(node.inputs)
    if node.op == "broadcast" and node.inputs[0].size == 1:
        return [make("reshape", node.inputs, (), node.dtype)] * node.size
    if node.op == "constant":
        return [_graph.constant(x) for x in node.value.reshape(-1)]
    if node.size <= 32:
        flat = make("reshape", (node,), (node.size,), node.dtype)
        return [
            make("reshape", (make("slice", (flat,), (1,), node.dtype, ((i,), (1,))),), (), node.dtype)
            for i in range(node.size)
        ]
    return None


class _View:
    """Another array's entries, seen through a slice, a reshape or a permutation of the axes."""

    __slots__ = ("_positions", "attrs", "base", "op", "root", "seen", "shape")

    def __init__(self, base: Array, op: str, attrs: tuple[Any, ...], shape: tuple[int, ...]):
        self.base = base
        self.shape = shape
        self.op = op
        self.attrs = attrs
        memory = base._memory
        self.root: Array = memory.root if isinstance(memory, _View) else base
        if self.root._memory is None:
            self.root._memory = _Memory()
        self.seen = self.root._memory.version
        self._positions: np.ndarray | None = None

    def settle(self, array: Array) -> Node:
        version = self.root._memory.version
        if version != self.seen:
            with _graph.record_in(array._block):  # type: ignore[arg-type]
                array._node = make(self.op, (self.base.node,), array.shape, array.dtype, self.attrs)
            self.seen = version
        return array._node

    def put_back(self, base: Array, node: Node) -> Node:
        """What `base` is when the view is `node`."""
        if self.op == "reshape":
            return make("reshape", (node,), base.shape, base.dtype)
        if self.op == "permute":
            inverse = tuple(int(i) for i in np.argsort(self.attrs[0]))
            return make("permute", (node,), base.shape, base.dtype, (inverse,))
        return make("update", (base.node, node), base.shape, base.dtype, self.attrs)

    def positions(self) -> np.ndarray:
        """Where each entry lies in the array that is not a view."""
        if self._positions is None:
            memory = self.base._memory
            if isinstance(memory, _View):
                places = memory.positions()
            else:
                places = np.arange(self.base.size).reshape(self.base.shape)
            if self.op == "reshape":
                places = places.reshape(self.shape)
            elif self.op == "permute":
                places = places.transpose(self.attrs[0])
            else:
                starts, steps = self.attrs
                cut = [a + k * np.arange(n) for a, k, n in zip(starts, steps, self.shape, strict=True)]
                places = places[np.ix_(*cut)]
            self._positions = places
        return self._positions


def view(x: Array, op: str, shape: tuple[int, ...], attrs: tuple[Any, ...] = ()) -> Array:
    """A slice, reshape or permutation of an array: writes to either are seen in both."""
    out = Array(make(op, (x.node,), shape, x.dtype, attrs), x.weak)
    if x.writable:
        out._memory = _View(x, op, attrs, shape)
    else:
        out.writable = False
    return out


# ---------------------------------------------------------------- making operands go together
def dtype_kind_of(number: Any) -> np.dtype:
    """The dtype that a Python number has where it meets nothing."""
    if isinstance(number, bool):
        return BOOL
    return INT if isinstance(number, int) else REAL if isinstance(number, float) else COMPLEX


_FOREIGN = frozenset({"torch", "jax", "jaxlib"})


def _is_number(x: Any) -> bool:
    return isinstance(x, bool | int | float | complex) and not isinstance(x, np.generic)


def array(x: Any, like: np.dtype | None = None) -> Array:
    """Record what is not recorded yet: numbers (of the dtype `like`, if given) and NumPy arrays."""
    if isinstance(x, Array):
        return x
    if _is_number(x):
        return Array(_graph.constant(x, like if like is not None else dtype_kind_of(x)), weak=like is None)
    if isinstance(x, np.ndarray) and x.dtype == object:
        from ._functions import from_objects

        return from_objects(x)
    if isinstance(x, np.ndarray | np.generic):
        require_known(x.dtype)
        return Array(_graph.constant(x))
    if isinstance(x, list | tuple):
        from ._functions import from_objects

        return from_objects(x)
    if type(x).__module__.split(".")[0] in _FOREIGN:
        return Array(_graph.constant(np.asarray(x)))
    raise TypeError(f"can't make an array of {x!r}")


def require_known(dtype: np.dtype) -> None:
    """Refuse what processors have no numbers of: texts, objects, float16, extended precision, foreign byte orders."""
    kind, size = dtype.kind, dtype.itemsize
    if kind not in "biufc" or size > 16 or (kind == "f" and size not in (4, 8)) or not dtype.isnative:
        raise StagingError(f"an array of {dtype}: use bool, integers, float32, float64, complex64 or complex128")


_SAMPLES = {"b": False, "i": 0, "u": 0, "f": 0.0, "c": 0j}


def common_dtype(*arrays: Array) -> np.dtype:
    """The dtype that operands are promoted to; numbers of Python's give way to arrays."""
    strong = [x.dtype for x in arrays if not x.weak]
    if not strong:
        return np.result_type(*(x.dtype for x in arrays))
    first = strong[0]
    if len(strong) == len(arrays) and all(x is first for x in strong):
        return first
    return np.result_type(*strong, *(_SAMPLES[x.dtype.kind] for x in arrays if x.weak))


def cast(x: Array, dtype: Any) -> Array:
    """The array with another dtype."""
    dtype = np.dtype(dtype)
    return x if x.dtype == dtype else Array(make("cast", (x.node,), x.shape, dtype), x.weak)


def broadcast(x: Array, shape: tuple[int, ...]) -> Array:
    """The array with another shape, aligned as in the standard."""
    return x if x.shape == shape else Array(make("broadcast", (x.node,), shape, x.dtype), x.weak)


def together(*operands: Any) -> list[Array]:
    """Operands as recorded arrays of one dtype and one shape."""
    arrays = _literals(operands) if any(map(_is_number, operands)) else [array(x) for x in operands]
    dtype = common_dtype(*arrays)
    shape = arrays[0].shape
    if any(x.shape != shape for x in arrays):
        shape = np.broadcast_shapes(*(x.shape for x in arrays))
    return [broadcast(cast(x, dtype), shape) for x in arrays]


def _literals(operands: Any) -> list[Array]:
    """Python numbers become literals of the dtype that they will be used in: 0.1 is never rounded twice."""
    arrays = [None if _is_number(x) else array(x) for x in operands]
    strong = [x.dtype for x in arrays if x is not None and not x.weak]
    weak = [x.dtype for x in arrays if x is not None and x.weak]
    kinds = [dtype_kind_of(x) for x, y in zip(operands, arrays, strict=True) if y is None]
    if strong:
        dtype = np.result_type(*strong, *(_SAMPLES[x.kind] for x in (*weak, *kinds)))
    else:
        dtype = np.result_type(*weak, *kinds)
    return [
        Array(_graph.constant(x, dtype), weak=True) if y is None else y for x, y in zip(operands, arrays, strict=True)
    ]


def elementwise(op: str, *operands: Any, dtype: Any = None) -> Array:
    """Record an elementwise operation on operands of any shapes and dtypes that go together."""
    arrays = together(*operands)
    first = arrays[0]
    kind = BOOL if op in COMPARISONS else dtype or first.dtype
    weak = kind == first.dtype and all(x.weak for x in arrays)
    return Array(make(op, tuple(x.node for x in arrays), first.shape, kind), weak)


def _operand(x: Any) -> bool:
    return isinstance(x, Array | bool | int | float | complex | np.ndarray | np.generic | list | tuple) or (
        type(x).__module__.split(".")[0] in _FOREIGN
    )


_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
    "matmul": "matmul",
}
_COMPARING = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
_NUMBERS = frozenset({Array, int, float, bool, complex})


def _install() -> None:
    """Give the class its operators and methods."""
    from . import _functions as functions
    from ._functions import indexing, methods

    def binary(function: Callable[[Any, Any], Array]):
        def forward(self, other):
            return function(self, other) if type(other) in _NUMBERS or _operand(other) else NotImplemented

        def backward(self, other):
            return function(other, self) if type(other) in _NUMBERS or _operand(other) else NotImplemented

        return forward, backward

    def in_place(function: Callable[[Any, Any], Array]):
        def write(self, other):
            if not (type(other) in _NUMBERS or _operand(other)):
                return NotImplemented
            if not self._node.shape:
                return function(self, other)  # as NumPy's scalars: the name is bound anew
            indexing.write_all(self, function(self, other), checked=True)
            return self

        return write

    for short, name in _OPERATORS.items():
        function = getattr(functions, name)
        forward, backward = binary(function)
        setattr(Array, f"__{short}__", forward)
        setattr(Array, f"__r{short}__", backward)
        setattr(Array, f"__i{short}__", in_place(function))
    for short, name in _COMPARING.items():
        setattr(Array, f"__{short}__", binary(getattr(functions, name))[0])
    for short, name in {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "bitwise_invert"}.items():
        setattr(Array, f"__{short}__", _method(getattr(functions, name)))
    Array.__divmod__ = lambda self, other: (self // other, self % other)  # type: ignore[attr-defined]
    Array.__rdivmod__ = lambda self, other: (other // self, other % self)  # type: ignore[attr-defined]
    Array.__getitem__ = indexing.get_item  # type: ignore[attr-defined]
    Array.__setitem__ = indexing.set_item  # type: ignore[attr-defined]
    for name, function in {"floor": functions.floor, "ceil": functions.ceil, "trunc": functions.trunc}.items():
        setattr(Array, f"__{name}__", lambda self, function=function: cast(function(self), INT))
    Array.__round__ = methods.rounded_as_python  # type: ignore[attr-defined]
    Array.__hash__ = object.__hash__  # type: ignore[method-assign]
    for name, value in vars(methods).items():
        if name in methods.__all__:
            setattr(Array, name, value)


def _method(function: Callable[[Any], Array]):
    return lambda self: function(self)


__all__ = ["Array", "array", "broadcast", "cast", "common_dtype", "elementwise", "together", "view"]
