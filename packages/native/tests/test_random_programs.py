import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from evolvent_native import _functions as functions
from evolvent_native import _machine, _recording, stage
from evolvent_native._program import Programs
from evolvent_native._staging import stage_function

# A program is data: a list of steps (operation, operands' places, options), each of which appends its results to a
# list of values. It is run twice by the same code: by NumPy and Python's own loops, and with recording arrays.
#
# A value is exact if only correctly rounded operations led to it: then it must come out bit for bit, and only such
# values decide anything (comparisons, sorting, branches), because the last bit of others is free.

LIMIT = 1e4  # larger numbers are not made: differences in rounding would grow with them
MOST = 5000  # entries of the largest array


class Plain:
    """Control flow by Python."""

    xp = np

    @staticmethod
    def while_loop(cond, body, carry):
        while cond(carry):
            carry = body(carry)
        return carry

    @staticmethod
    def cond(pred, yes, no, *operands):
        return yes(*operands) if pred else no(*operands)

    @staticmethod
    def select(pred, yes, no):
        return tuple(np.where(pred, a, b) for a, b in zip(yes, no, strict=True))

    @staticmethod
    def combine(y, dt, weights, ks):
        total = sum(w * k for w, k in zip(weights, ks, strict=True)) * dt
        return (total if y is None else y + total).astype(ks[0].dtype)

    @staticmethod
    def buffer(rows, like):
        return np.zeros((rows, *np.shape(like)), np.asarray(like).dtype)

    @staticmethod
    def put(rows, index, value, when):
        if when and 0 <= index < len(rows):
            rows[index] = value
        return rows


class Recorded:
    """Control flow that is recorded."""

    xp = functions
    while_loop = staticmethod(_recording.while_loop)
    cond = staticmethod(_recording.cond)
    select = staticmethod(_recording.select)
    combine = staticmethod(_recording.combine)
    buffer = staticmethod(_recording.buffer)
    put = staticmethod(_recording.put)


# ---------------------------------------------------------------- running
def play(steps, values, how):
    """Run steps; their results are appended to the values."""
    for op, places, options in steps:
        if op in CONTROL:
            values.extend(CONTROL[op](how, values, places, options))
        else:
            values.append(OPERATIONS[op](how.xp, options, *(values[i] for i in places)))
    return values


def _body(how, values, steps, outputs, operands):
    inner = play(steps, [*values, *operands], how)
    return tuple(inner[i] for i in outputs)


def _while(how, values, places, options):
    turns, steps, outputs = options

    def body(carry):
        return (carry[0] + 1, *_body(how, values, steps, outputs, carry))

    most = turns if isinstance(turns, int) else values[turns[0]] % 4
    return how.while_loop(lambda c: c[0] < most, body, (np.int64(0), *(values[i] for i in places)))[1:]


def _branch(how, values, places, options):
    (first, one), (second, other) = options
    pred, *operands = (values[i] for i in places)
    return how.cond(
        pred,
        lambda *x: _body(how, values, first, one, x),
        lambda *x: _body(how, values, second, other, x),
        *operands,
    )


def _choice(how, values, places, options):
    pred, *rest = (values[i] for i in places)
    return how.select(pred, tuple(rest[::2]), tuple(rest[1::2]))


def _combination(how, values, places, options):
    weights, dt, has_y = options
    y, *ks = (values[i] for i in places)
    return [how.combine(y if has_y else None, dt, weights, ks)]


def _record(how, values, places, options):
    """A loop that puts rows into a record, whose rows are all written in the end."""
    rows, extra, steps, outputs, put = options
    first = [values[i] for i in places]
    record = how.buffer(rows, first[0])

    def body(carry):
        i, record, *moving = carry
        inner = play(steps, [*values, i, *moving], how)
        record = how.put(record, i - extra, inner[put], i % 7 != 9)
        record = how.put(record, i, inner[put], i == 100)
        return (i + 1, record, *(inner[k] for k in outputs))

    return how.while_loop(lambda c: c[0] < rows + 2 * extra, body, (np.int64(0), record, *first))[1:]


CONTROL = {"while": _while, "cond": _branch, "select": _choice, "combine": _combination, "record": _record}


def _key(parts):
    return tuple(slice(*part) if isinstance(part, tuple) else part for part in parts)


def _written(xp, options, x, value):
    fresh, key, way = options
    z = xp.zeros_like(x) if fresh else xp.asarray(x, copy=True)
    if way == "set":
        z[_key(key)] = value
    elif way == "add":
        z[_key(key)] += value
    elif way == "view":
        part = z[_key(key)]
        part[...] = value
        part *= 2
    elif way == "shifted":
        z[1:] += z[:-1]
        z[_key(key)] = value
        z[:-1] -= z[1:]
    elif way == "entries":
        for i in range(len(z)):
            z[i] = z[i] + z[i - 1]
    return z


OPERATIONS = {
    "add": lambda xp, _, x, y: x + y,
    "sub": lambda xp, _, x, y: x - y,
    "mul": lambda xp, _, x, y: x * y,
    "square": lambda xp, _, x: x**2,
    "affine": lambda xp, o, x: o[0] * x + o[1],
    "rsub": lambda xp, o, x: o - x,
    "div": lambda xp, _, x, y: x / (abs(y) + 1),
    "squash": lambda xp, _, x: x / (1 + abs(x)),
    "neg": lambda xp, _, x: -x,
    "abs": lambda xp, _, x: abs(x),
    "sqrt": lambda xp, _, x: xp.sqrt(abs(x)),
    "max": lambda xp, _, x, y: xp.maximum(x, y),
    "min": lambda xp, _, x, y: xp.minimum(x, y),
    "sin": lambda xp, _, x: xp.sin(x),
    "tanh": lambda xp, _, x: xp.tanh(x),
    "exp": lambda xp, _, x: xp.exp(-abs(x)),
    "log": lambda xp, _, x: xp.log(abs(x) + 0.5),
    "atan2": lambda xp, _, x, y: xp.atan2(x, abs(y) + 1),
    "hypot": lambda xp, _, x, y: xp.hypot(x, y),
    "floor": lambda xp, _, x: xp.floor(x),
    "round": lambda xp, _, x: xp.round(x),
    "sign": lambda xp, _, x: xp.sign(x),
    "less": lambda xp, _, x, y: x < y,
    "equal": lambda xp, _, x, y: x == y,
    "above": lambda xp, o, x: x > o,
    "and": lambda xp, _, x, y: x & y,
    "or": lambda xp, _, x, y: x | y,
    "xor": lambda xp, _, x, y: x ^ y,
    "not": lambda xp, _, x: ~x,
    "shift": lambda xp, o, x: (x << o) >> (o + 1),
    "floordiv": lambda xp, o, x: x // o,
    "mod": lambda xp, o, x: x % o,
    "where": lambda xp, _, p, x, y: xp.where(p, x, y),
    "conj": lambda xp, _, x: xp.conj(x),
    "real": lambda xp, _, x: xp.real(x),
    "imag": lambda xp, _, x: xp.imag(x),
    "complex": lambda xp, _, x, y: x + 1j * y,
    "cast": lambda xp, o, x: xp.astype(x, o),
    "cut": lambda xp, o, x: x[_key(o)],
    "roll": lambda xp, o, x: xp.roll(x, o[0], axis=o[1]),
    "flip": lambda xp, o, x: xp.flip(x, axis=o),
    "concat": lambda xp, o, *xs: xp.concat(xs, axis=o),
    "stack": lambda xp, o, *xs: xp.stack(xs, axis=o),
    "listed": lambda xp, o, *xs: xp.stack([x.reshape(-1)[i] for x, i in zip(xs, o, strict=True)]),
    "permute": lambda xp, o, x: xp.permute_dims(x, o),
    "reshape": lambda xp, o, x: xp.reshape(x, o),
    "expand": lambda xp, o, x: xp.expand_dims(x, axis=o),
    "spread": lambda xp, o, x: xp.broadcast_to(x, o),
    "tile": lambda xp, o, x: xp.tile(x, o),
    "sum": lambda xp, o, x: xp.sum(x, axis=o[0], keepdims=o[1]),
    "mean": lambda xp, o, x: xp.mean(x, axis=o[0], keepdims=o[1]),
    "largest": lambda xp, o, x: xp.max(x, axis=o[0], keepdims=o[1]),
    "smallest": lambda xp, o, x: xp.min(x, axis=o[0], keepdims=o[1]),
    "any": lambda xp, o, x: xp.any(x, axis=o[0], keepdims=o[1]),
    "all": lambda xp, o, x: xp.all(x, axis=o[0], keepdims=o[1]),
    "argmax": lambda xp, o, x: xp.argmax(x, axis=o),
    "cumsum": lambda xp, o, x: xp.cumulative_sum(x, axis=o),
    "sort": lambda xp, o, x: xp.sort(x, axis=o),
    "argsort": lambda xp, o, x: xp.argsort(x, axis=o, stable=True),
    "matmul": lambda xp, _, x, y: x @ y,
    "take": lambda xp, o, x: xp.take(x, xp.asarray(o[0]), axis=o[1]),
    "taken": lambda xp, o, x, i: xp.take(x, i % x.shape[o], axis=o),
    "write": _written,
    "add largest": lambda xp, _, x, y: x + xp.max(y),
    "add reversed": lambda xp, _, x, y: x + y[::-1],
    "constant": lambda xp, o, x: x + o,
    "sum of terms": lambda xp, o, x: sum((x * w + w for w in o), 0 * x),
}
OFTEN = [*["write"] * 8, *["cut", "concat", "matmul", "where", "stack", "roll", "add largest", "add", "reshape"] * 2]
CORRECTLY_ROUNDED = (
    "add sub mul square affine rsub div squash neg abs sqrt max min floor round sign less equal above and or xor not "
    "shift floordiv mod where conj real imag cast cut roll flip concat stack listed permute reshape expand spread "
    "tile add largest smallest any all argmax sort argsort take taken write constant"
)
EXACT = {*CORRECTLY_ROUNDED.split(), "add largest", "add reversed"}  # for real numbers
ALWAYS = EXACT - {"mul", "square", "affine", "div", "squash", "abs", "sqrt", "write"}  # for complex ones, too
DECIDING = {"floor", "round", "sign", "less", "equal", "above", "argmax", "argsort", "sort", "cast", "taken"} | {
    "floordiv",
    "mod",
}


# ---------------------------------------------------------------- making
class Maker:
    """Makes a program while it runs it by NumPy."""

    def __init__(self, seed, records=False):
        self.rng = np.random.default_rng(seed)
        self.records = records
        n, m = (int(self.rng.choice(c)) for c in ([2, 3, 5, 33, 40, 61, 300], [1, 2, 3, 4, 7, 9]))
        self.shapes = [(), (n,), (n,), (m,), (n, m), (m, n), (1, n), (n, 1), (2, m, 3), (m, 1), (3, n), (n,)]
        self.values, self.exact, self.barred = [], [], set()
        self.inputs = []
        numbers = [self.filled((), np.dtype(kind)) for kind in ("?", "i8") if self.rng.random() < 0.7]
        for value in [*(self.fresh() for _ in range(self.rng.integers(2, 6))), *numbers]:
            self.inputs.append(value)
            self.values.append(value)
            self.exact.append(True)

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def fresh(self):
        shape = self.shapes[self.rng.integers(len(self.shapes))]
        kind = self.pick(*["f8"] * 6, "f4", "i8", "i8", "i4", "u1", "?", "c16", "c8")
        return self.filled(shape, np.dtype(kind))

    def filled(self, shape, dtype):
        size = int(np.prod(shape))
        if dtype.kind == "b":
            x = self.rng.integers(0, 2, size)
        elif dtype.kind in "iu":
            x = self.rng.integers(0 if dtype.kind == "u" else -5, 9, size)
        else:
            x = np.round(self.rng.normal(size=size), 3) + (
                1j * np.round(self.rng.normal(size=size), 3) if dtype.kind == "c" else 0
            )
        return np.asarray(x).astype(dtype).reshape(shape)

    # ------------------------------------------------------------ which values
    def choose(self, test=lambda x, exact: True, recent=True):
        found = [i for i, x in enumerate(self.values) if i not in self.barred and test(np.asarray(x), self.exact[i])]
        if not found:
            return None
        if recent and self.rng.random() < 0.5:
            found = found[-4:]
        return int(found[self.rng.integers(len(found))])

    def like(self, i, exact=None):
        """Another value of the same shape and dtype."""
        x = np.asarray(self.values[i])
        return self.choose(
            lambda y, e: y.shape == x.shape and y.dtype == x.dtype and (e or not exact), recent=self.rng.random() < 0.5
        )

    # ------------------------------------------------------------ steps
    def steps(self, count, depth):
        found = []
        tries = 0
        while len(found) < count and tries < 20 * count:
            tries += 1
            step = self.control(depth) if depth and self.rng.random() < 0.25 else self.operation()
            if step is not None and self.accept(step):
                found.append(step)
        return found

    def accept(self, step):
        op, places, _ = step
        before = len(self.values)
        try:
            with np.errstate(all="ignore"):
                results = play([step], list(self.values), Plain)[before:]
        except (ValueError, IndexError, TypeError):
            return False
        if any(
            np.size(x) > MOST
            or np.size(x) == 0
            or np.ndim(x) > 4
            or (np.asarray(x).dtype.kind in "fc" and not np.all(np.abs(x) < LIMIT))
            or np.asarray(x).dtype == np.float16
            for x in results
        ):
            return False
        if op in CONTROL:
            kept = self.said
        else:
            kinds = {np.asarray(self.values[i]).dtype.kind for i in places} | {np.asarray(results[0]).dtype.kind}
            known = kinds <= set("biu") or op in (ALWAYS if "c" in kinds else EXACT)
            kept = [known and all(self.exact[i] for i in places)]
        if op == "record":
            self.barred.add(len(self.values))  # memory is no value
        self.values += [np.asarray(x) for x in results]
        self.exact += kept
        return True

    def operation(self):
        op = self.pick(*OPERATIONS, *OFTEN)
        rng = self.rng
        need = (lambda x, e: e) if op in DECIDING else (lambda x, e: True)
        i = self.choose(need)
        if i is None:
            return None
        x = np.asarray(self.values[i])
        n = x.ndim
        one = int(rng.integers(n)) if n else None
        axis = self.pick(None, one, one, tuple(range(n))[:2] or None)
        number = self.pick(2, -3, 0.5, 1.25, 3)
        options = None
        places = [i]
        if op in ("add", "sub", "mul", "div", "max", "min", "less", "equal", "where", "complex", "and", "or", "xor"):
            test = need
            if op in ("and", "or", "xor"):
                test = lambda y, e: y.dtype.kind in "biu"  # noqa: E731
            j = self.choose(test)
            if j is None:
                return None
            places = [i, j]
            if op == "where":
                p = self.choose(lambda y, e: y.dtype.kind == "b")
                if p is None:
                    return None
                places = [p, i, j]
        elif op in ("atan2", "hypot", "matmul", "add largest", "add reversed"):
            j = self.choose(lambda y, e: y.dtype.kind == x.dtype.kind)
            places = [i, j]
        elif op == "affine":
            options = (number, self.pick(1, -2, 0.25))
        elif op in ("rsub", "above"):
            if op == "above" and x.dtype.kind == "u":
                return None
            options = number
        elif op == "constant":
            shape = self.shapes[rng.integers(len(self.shapes))]
            options = self.filled(self.pick(x.shape, shape), np.dtype(self.pick("f8", "f8", "f4", "i8")))
        elif op == "shift":
            options = int(rng.integers(3))
        elif op in ("floordiv", "mod"):
            options = self.pick(3, -2, 5) if x.dtype.kind == "i" else 3
        elif op == "cast":
            options = np.dtype(self.pick("f8", "f4", "i8", "i4", "c16", "?"))
            if x.dtype.kind == "c" and options.kind != "c":
                return None
        elif op in ("cut", "write"):
            key = []
            for length in x.shape:
                start, stop = sorted(int(k) for k in rng.integers(0, length + 1, 2))
                key.append(
                    self.pick(
                        (None,),
                        (start, stop),
                        (start, stop),
                        (start, None, 2),
                        (None, None, -1),
                        (stop, None, -1),
                        (None, start, -3),
                        int(rng.integers(length)) if length else (None,),
                        (1, -1),
                        (1, None),
                    )
                )
                key[-1] = key[-1] if isinstance(key[-1], int) else tuple(slice(*key[-1]).indices(max(length, 1)))
                if isinstance(key[-1], tuple):
                    start, stop, step = key[-1]
                    key[-1] = (start, None if stop < 0 else stop, step)
            options = tuple(key)
            if op == "write":
                target = np.zeros(x.shape)[_key(options)].shape
                j = self.choose(lambda y, e: y.shape == target and y.dtype == x.dtype)
                if j is None or rng.random() < 0.2:
                    j = self.choose(lambda y, e: y.ndim == 0 and y.dtype == x.dtype)
                if j is None:
                    return None
                places = [i, j]
                way = self.pick("set", "set", "add", "view", "shifted", "entries")
                if (way == "entries" and (n != 1 or x.size > 64)) or (x.dtype.kind == "b" and way != "set"):
                    return None
                if way == "view" and not target:
                    return None
                options = (self.pick(True, False), options, way)
        elif op == "roll":
            options = (int(rng.integers(-3, 4)), self.pick(None, one))
        elif op == "flip":
            options = self.pick(None, one)
        elif op in ("concat", "stack"):
            if not n:
                return None
            places = [i] + [
                self.choose(lambda y, e: y.dtype == x.dtype and y.shape[1:] == x.shape[1:] and y.ndim == n)
                for _ in range(rng.integers(1, 4))
            ]
            options = 0 if op == "concat" and rng.random() < 0.5 else one
        elif op == "listed":
            places = [i] + [self.choose() for _ in range(rng.integers(1, 5))]
            if any(np.asarray(self.values[k]).dtype != x.dtype for k in places):
                return None
            options = tuple(int(rng.integers(np.size(self.values[k]))) for k in places)
        elif op == "permute":
            options = tuple(int(a) for a in rng.permutation(n))
        elif op == "reshape":
            options = self.pick((-1,), (1, -1), (-1, 1), (2, -1), (-1, 3), x.shape[::-1])
        elif op == "expand":
            options = int(rng.integers(n + 1))
        elif op == "spread":
            options = (int(rng.integers(1, 4)), *x.shape)
        elif op == "tile":
            options = (2,) * max(n, 1)
        elif op in ("sum", "mean", "largest", "smallest", "any", "all"):
            options = (axis, bool(rng.integers(2)))
        elif op == "argmax":
            options = self.pick(None, one)
        elif op in ("cumsum", "sort", "argsort"):
            if not n:
                return None
            options = one
        elif op == "take":
            if not n:
                return None
            count = int(rng.integers(1, 2 * x.shape[one] + 1))
            options = (rng.integers(0, x.shape[one], count), one)
        elif op == "taken":
            if not n:
                return None
            j = self.choose(lambda y, e: y.dtype == np.int64 and e)
            if j is None:
                return None
            places, options = [i, j], one
        elif op == "sum of terms":
            options = tuple(np.round(rng.normal(size=int(rng.integers(2, 12))), 2).tolist())
        if op in (
            "largest",
            "smallest",
            "argmax",
            "sort",
            "argsort",
            "less",
            "above",
            "floor",
            "max",
            "min",
            "add largest",
        ) and any(np.asarray(self.values[k]).dtype.kind == "c" for k in places):
            return None
        if (
            op in ("sign", "round", "mod", "floordiv", "sin", "tanh", "exp", "log", "mean", "square")
            and x.dtype.kind in "cb"
        ):
            return None
        if op in ("shift", "not", "mod", "floordiv", "and", "or", "xor") and x.dtype.kind not in "biu":
            return None
        if (
            op in ("shift", "mod", "floordiv", "sum", "neg", "sub", "rsub", "abs", "affine", "tile")
            and x.dtype.kind == "b"
        ):
            return None
        if (op in ("rsub", "affine", "sign", "neg", "sum of terms") and x.dtype.kind == "u") or (
            op == "conj" and x.dtype.kind == "b"
        ):
            return None
        floats = {"sin", "tanh", "exp", "log", "sqrt", "mean", "div", "squash", "floor", "round", "atan2", "hypot"}
        allowed = "fc" if op in ("div", "squash") else "f"
        if op in floats and any(np.asarray(self.values[k]).dtype.kind not in allowed for k in places):
            return None
        if op == "constant" and x.dtype.kind not in "fi":
            return None
        if op in ("cumsum",) and x.dtype.kind in "bu":
            return None
        return op, tuple(places), options

    # ------------------------------------------------------------ control flow
    def control(self, depth):
        op = self.pick("while", "while", "while", "cond", "cond", "select", "combine", "record")
        if op == "combine":
            i = self.choose(lambda x, e: x.dtype.kind in "fc")
            if i is None:
                return None
            ks = [self.like(i) for _ in range(self.rng.integers(1, 6))]
            weights = tuple(self.pick(0.5, 0.0, -0.25, 1.0, 0.1) for _ in ks)
            if not any(weights):
                return None
            self.said = [False]
            return op, (i, *ks), (weights, self.pick(1.0, 0.125), self.pick(True, True, False))
        if op == "record":
            return self.record(depth) if self.records else None
        if op == "while":
            return self.loop(depth)
        pred = self.choose(lambda x, e: x.dtype.kind == "b" and not x.ndim and e)
        if pred is None:
            i = self.choose(lambda x, e: e and x.dtype.kind in "fi" and not x.ndim)
            step = None if i is None else ("above", (i,), self.pick(0.5, -1, 2))
            return step
        if op == "select":
            i = self.choose(lambda x, e: True)
            k = self.choose(lambda x, e: True)
            j, m = self.like(i), self.like(k)
            self.said = [self.exact[i] and self.exact[j], self.exact[k] and self.exact[m]]
            return op, (pred, i, j, k, m), None
        return self.branch(pred, depth)

    def moving(self):
        """What is carried: arrays of one kind several times, so that they can change places."""
        found = []
        for _ in range(self.rng.integers(1, 4)):
            i = self.choose(lambda x, e: x.dtype.kind != "u", recent=False)
            if i is None:
                continue
            found.append(i)
            while self.rng.random() < 0.5 and len(found) < 6:
                found.append(self.like(i))
        return found

    def inside(self, operands, exact, depth, count):
        """A maker for a body."""
        inner = Maker.__new__(Maker)
        inner.rng, inner.records, inner.shapes = self.rng, False, self.shapes
        inner.values, inner.barred = [*self.values, *operands], self.barred
        inner.exact = [*self.exact, *exact]
        steps = inner.steps(count, depth - 1)
        return inner, steps

    def outputs(self, inner, first, kinds, exact):
        """For each of the carried a value of its kind: often another carried one, or what was made of them."""
        found = []
        for i, (value, sure) in enumerate(zip(kinds, exact, strict=True)):
            own, x = first + i, np.asarray(value)
            good = [
                k
                for k, y in enumerate(inner.values)
                if np.shape(y) == x.shape
                and np.asarray(y).dtype == x.dtype
                and (inner.exact[k] or not sure)
                and k not in self.barred
            ]
            carried = [k for k in good if first <= k < first + len(kinds)]
            made = [k for k in good if k >= first + len(kinds)]
            pools = [[own], carried, good] + [made] * 4
            pool = pools[self.rng.integers(len(pools))] or good
            found.append(int(pool[self.rng.integers(len(pool))]))
        return found

    def loop(self, depth):
        places = self.moving()
        if not places:
            return None
        operands = [self.values[i] for i in places]
        trusting = self.rng.random() < 0.5
        exact = [self.exact[i] and trusting for i in places]
        first = len(self.values) + 1
        inner, steps = self.inside([np.int64(0), *operands], [False, *exact], depth, int(self.rng.integers(1, 7)))
        for i in range(len(operands)):  # what is carried is used
            for op in ("squash", "roll", "flip", "mul", "add", "add largest", "add reversed", "write"):
                j = first + i if op == "mul" else inner.like(first + i)
                options = {"roll": (1, None), "write": (False, ((None,),), "shifted")}.get(op)
                step = (op, (first + i,) if op in ("squash", "roll", "flip") else (first + i, j), options)
                if self.rng.random() < 0.15 and np.asarray(operands[i]).dtype.kind in "fi" and inner.accept(step):
                    steps.append(step)
        outputs = self.outputs(inner, first, operands, exact)
        turns = int(self.rng.integers(0, 5))
        counter = self.choose(lambda x, e: x.dtype == np.int64 and not x.ndim and e)
        self.said = exact
        return "while", tuple(places), ((counter,) if counter is not None and turns else turns, steps, outputs)

    def branch(self, pred, depth):
        places = self.moving()
        if not places:
            return None
        operands = [self.values[i] for i in places]
        exact = [self.exact[i] for i in places]
        first = len(self.values)
        ways = []
        for _ in range(2):
            inner, steps = self.inside(operands, exact, depth, int(self.rng.integers(0, 5)))
            ways.append((steps, self.outputs(inner, first, operands, exact)))
        self.said = exact
        return "cond", (pred, *places), tuple(ways)

    def record(self, depth):
        step = self.loop(depth)
        if step is None:
            return None
        _, places, (_, steps, outputs) = step
        self.said = [False] * (len(places) + 1)
        x = np.asarray(self.values[places[0]])
        first = len(self.values) + 1
        inner = play(steps, [*self.values, np.int64(0), *(self.values[i] for i in places)], Plain)
        good = [
            k for k, y in enumerate(inner) if np.shape(y) == x.shape and np.asarray(y).dtype == x.dtype and k >= first
        ]
        put = int(good[self.rng.integers(len(good))])
        return "record", places, (int(self.rng.integers(1, 6)), int(self.rng.integers(0, 2)), steps, outputs, put)


class Entry:
    """A program that is recorded as it stands, or that calls others."""

    def __init__(self, key, function):
        self.key, self.function = key, function

    def __call__(self, functions, *operands):
        return self.function(functions, *operands)


def program(seed):
    """Steps, inputs, the places of the outputs, and the maker, which knows what is expected."""
    maker = Maker(seed, records=seed % 3 == 0)
    steps = maker.steps(int(maker.rng.integers(3, 13)), 2)
    outputs = list(range(len(maker.inputs), len(maker.values)))
    if len(outputs) > 4 and maker.rng.random() < 0.7:
        outputs = sorted(set(maker.rng.choice(outputs, 4).tolist()) | {outputs[-1]})
    return steps, maker.inputs, outputs, maker


def check(seed):
    """Make a program, compile it, and compare it with NumPy."""
    steps, inputs, outputs, maker = program(seed)

    def function(*arguments):
        values = play(steps, list(arguments), Recorded)
        return tuple(values[i] for i in outputs)

    if seed % 2 or any(op == "record" for op, _, _ in steps):
        run = Programs(None, Entry(("random", seed), lambda _, *x: function(*x)), {})
    else:
        run = stage(function, *inputs)
    compare(seed, run(*inputs), outputs, maker)


def compare(seed, found, outputs, maker):
    for place, got in zip(outputs, found, strict=True):
        expected, exact = np.asarray(maker.values[place]), maker.exact[place]
        got = np.asarray(got)
        where = f"seed {seed}, value {place}"
        assert got.shape == expected.shape, where
        if got.ndim:
            assert got.dtype == expected.dtype, where
        if exact:
            np.testing.assert_array_equal(got.astype(expected.dtype), expected, err_msg=where)
        else:
            single = any(np.asarray(x).dtype in (np.float32, np.complex64) for x in maker.values)
            rounding = 2e-3 if single else 1e-9
            size = max(1.0, float(np.max(np.abs(expected), initial=0)))
            np.testing.assert_allclose(got, expected, rtol=rounding, atol=rounding * size, err_msg=where)


def check_called(seed):
    """Call a program again and again in a loop, as solvers call right-hand sides, and compare it with NumPy."""
    steps, inputs, outputs, maker = program(2 * seed)
    kinds = [(x.shape, x.dtype) for x in inputs]
    back = {}  # which input an output becomes in the next turn
    for at, place in enumerate(outputs):
        x = np.asarray(maker.values[place])
        found = [k for k, kind in enumerate(kinds) if kind == (x.shape, x.dtype) and k not in back]
        if found and place not in maker.barred:
            back[found[0]] = at
    if any(op == "record" for op, _, _ in steps) or not back:
        return

    def f(*arguments):
        values = play(steps, list(arguments), Recorded)
        return tuple(values[i] for i in outputs)

    def turn(how, call, carry):
        values = call(*carry)
        moved = {k: 0.5 * values[i] if kinds[k][1].kind in "fc" else values[i] for k, i in back.items()}
        return tuple(how.xp.astype(moved[k], kinds[k][1]) if k in moved else x for k, x in enumerate(carry))

    def entry(functions, *carry):
        return _recording.while_loop(
            lambda c: c[0] < 3, lambda c: (c[0] + 1, *turn(Recorded, functions["f"], c[1:])), (0, *carry)
        )[1:]

    def plain(*arguments):
        values = play(steps, list(arguments), Plain)
        return tuple(np.asarray(values[i]) for i in outputs)

    expected = tuple(inputs)
    with np.errstate(all="ignore"):
        for _ in range(3):
            expected = turn(Plain, plain, expected)
            if not all(np.all(np.abs(x) < LIMIT) for x in expected if x.dtype.kind in "fc"):
                return
    maker.values[: len(inputs)] = expected
    exact = all(maker.exact[outputs[i]] for i in back.values())
    if not exact and (any(op in DECIDING for op, _, _ in steps)):
        return  # an inexact number that comes around may decide something
    maker.exact[: len(inputs)] = [exact] * len(inputs)
    run = Programs(None, Entry(("called", seed), entry), {"f": stage_function(f, tuple(inputs))})
    compare(seed, run(*inputs), range(len(inputs)), maker)


@pytest.fixture
def quick(monkeypatch):
    """Machine code as LLVM first writes it: what is tried here is the text it is made of."""
    compile_ir = _machine.compile_ir

    def quickly(text, *, speed_level, **options):
        return compile_ir(text, speed_level=min(speed_level, 1), **options)

    monkeypatch.setattr(_machine, "compile_ir", quickly)


QUIET = hypothesis.settings(suppress_health_check=list(hypothesis.HealthCheck), deadline=None)


@hypothesis.settings(QUIET, max_examples=100)
@hypothesis.given(seed=st.integers(0, 10**9))
def test_random_programs_agree_with_numpy(quick, seed):
    """A hundred random staged programs agree with NumPy."""
    check(seed)


@hypothesis.settings(QUIET, max_examples=30)
@hypothesis.given(seed=st.integers(0, 10**9))
def test_optimised_random_programs_agree_with_numpy(seed):
    """So do random programs with vectorised loops."""
    check(seed)


@hypothesis.settings(QUIET, max_examples=100)
@hypothesis.given(seed=st.integers(0, 10**9))
def test_random_programs_called_in_a_loop_agree_with_numpy(quick, seed):
    """Random programs that a loop calls, with their own results for arguments, agree with NumPy."""
    check_called(seed)


@pytest.mark.slow
def test_a_thousand_random_programs_agree_with_numpy(quick):
    """A thousand random staged programs agree with NumPy."""
    for seed in range(1000):
        check(seed)
