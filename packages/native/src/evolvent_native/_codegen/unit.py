"""A whole graph as one unit of code: its entry, and the functions that it calls.

The entry is ``int64 run(void **table)``. The table holds addresses: of the scalars that come in, of those that go
out, of the workspace; then of arrays in, arrays out, buffers and data, in the order of the graph.
"""

from __future__ import annotations

from typing import Any

from .._builder import Function, Module, llvm_type
from .._graph import INT, Graph, Node
from .device import write_kernel
from .emitter import SMALL, Emitter
from .loops import write_any, write_for_good

ENTRY = "evolvent_run"
MANY = "evolvent_many"
HEADER = 3  # addresses ahead of the arrays'


def slots(nodes: list[Node]) -> list[int]:
    """Where in a block of scalars each scalar starts, in bytes, and how long the block is."""
    found, at = [], 0
    for node in nodes:
        found.append(at)
        at += max(8, node.dtype.itemsize)
    return [*found, at]


def scalars(nodes: list[Node]) -> list[Node]:
    return [node for node in nodes if node.shape == ()]


def arrays(nodes: list[Node]) -> list[Node]:
    return [node for node in nodes if node.shape != ()]


class Unit(Emitter):
    """Writes the entry of a graph, or with a prefix a function that it calls.

    Parameters
    ----------
    table : str
        The register with the address of the table of data arrays.
    """

    def __init__(self, function: Function, graph: Graph, table: str, workspace: str):
        super().__init__(function, graph, self._datum, workspace)
        self.table = table
        self.buffers: dict[Node, str] = {}

    def _datum(self, k: int) -> str:
        key = ("data", k)
        # At the entry, where every later place is reached from.
        found = self.known[0].get(key)
        if found is None:
            f = self.function
            address = f.fresh("d")
            f.entry.append(f"  {address} = getelementptr inbounds ptr, ptr {self.table}, i64 {k}")
            found = f.fresh("d")
            f.entry.append(f"  {found} = load ptr, ptr {address}, align 8")
            self.known[0][key] = found
        return found

    def data_table(self, offset: int) -> str:
        return self.function.at("ptr", self.table, offset)

    def buffer(self, node: Node) -> str:
        return self.buffers[node]

    def callee(self, graph: Graph) -> tuple[str, int]:
        """The name of the function for a graph, and the workspace that it wants."""
        made = self.module.made
        if ("call", graph) not in made:
            made["call", graph] = _callee(self.module, graph, f"f{len(self.module.functions)}")
        return made["call", graph]


def _callee(module: Module, graph: Graph, name: str) -> tuple[str, int]:
    # Nothing is written to what comes in, so that LLVM may take it for unlike what goes out. It's for LLVM's own sake:
    # what it does to order reads and writes grows with their number squared where they might meet.
    parameters = []
    for i, x in enumerate(graph.params):
        by_value = x.shape == () and x.dtype.kind != "c"
        parameters.append((llvm_type(x.dtype) if by_value else "ptr noalias", f"%x{i}"))
    parameters += [("ptr noalias", f"%y{i}") for i in range(len(graph.outputs))]
    parameters += [("ptr", "%data"), ("ptr noalias", "%work")]
    # On GPUs a call costs more than its code: registers go to memory and back, and so does what is passed.
    f = Function(module, name, parameters, attributes="noinline" if module.target == "host" else "")
    e = Unit(f, graph, "%data", "%work")
    for i, x in enumerate(graph.params):
        if x.shape == () and x.dtype.kind != "c":
            e.set_scalars(x, [f"%x{i}"])
        else:
            e.set_memory(x, f"%x{i}")
    for i, out in enumerate(graph.outputs):
        write_for_good(e, out, f"%y{i}")
    f.returned()
    return name, e.memory_plan.most


def generate(graph: Graph, target: str = "host", data_arrays: int = 0) -> tuple[str, int]:
    """Write a graph's unit; returns the text and the workspace that it wants, in bytes.

    For "nvptx64" the functions are a kernel's (`device`), which is told how many arrays of data there are.
    """
    module = Module(target)
    on_gpu = target == "nvptx64"
    inlining = "alwaysinline" if on_gpu else "noinline"
    f = Function(module, ENTRY, [("ptr", "%table")], "i64", internal=on_gpu, attributes=inlining)
    inputs, outputs = graph.params, graph.outputs

    def address(k: int) -> str:
        return f.emit(f"load ptr, ptr {f.at('ptr', '%table', k)}, align 8")

    coming, going, workspace = address(0), address(1), address(2)
    count = HEADER + len(arrays(inputs)) + len(arrays(outputs)) + len(graph.buffers)
    data = f.at("ptr", "%table", count)
    e = Unit(f, graph, data, workspace)
    # The entry block goes on where data addresses are loaded: they need the table.
    f.entry += f.lines
    f.lines.clear()
    for node, at in zip(scalars(inputs), slots(scalars(inputs)), strict=False):
        e.set_scalars(node, [f.load(node.dtype, f.at("i8", coming, at))])
    k = HEADER
    for node in arrays(inputs):
        e.set_memory(node, address(k))
        k += 1
    targets: list[tuple[Node, Any]] = []
    for node in arrays(outputs):
        targets.append((node, address(k)))
        e.targets.setdefault(node, targets[-1][1])
        k += 1
    for node in graph.buffers:
        e.buffers[node] = address(k)
        k += 1
    e.effects(graph)
    for node, _ in targets:
        if node.op == "result" and node.size > SMALL:
            e.memory(node)
    landed = {node: pointer for node, pointer in targets if node not in e.targets}
    for node, pointer in targets:
        if landed.get(node) != pointer:
            write_any(e, node, pointer)
    for node, at in zip(scalars(outputs), slots(scalars(outputs)), strict=False):
        f.store(node.dtype, e.scalar(node), f.at("i8", going, at))
    # Last, as another array may be where a loop had this one, in exchange.
    for node, pointer in landed.items():
        with f.when(f.emit(f"icmp ne ptr {e.memory(node)}, {pointer}")):
            write_any(e, node, pointer)
    f.returned("i64 0")
    if on_gpu:
        write_kernel(module, MANY, ENTRY, count + data_arrays)
    else:
        _many(module)
    return module.text(), e.memory_plan.most


def _many(module: Module) -> None:
    """Write ``int64 many(void **first, int64 *strides, int64 entries, int64 low, int64 high, void **table)``.

    It runs the entry for each of a range of trajectories, whose arrays lie `strides` bytes apart.
    """
    names = ["%first", "%strides", "%entries", "%low", "%high", "%table"]
    kinds = ["ptr", "ptr", "i64", "i64", "i64", "ptr"]
    f = Function(module, MANY, list(zip(kinds, names, strict=True)), "i64", internal=False)
    with f.loop("%low", "%high") as k:
        with f.loop(0, "%entries") as j:
            start = f.load(INT, "%first", j)
            stride = f.load(INT, "%strides", j)
            f.store(INT, f.emit(f"add i64 {start}, {f.emit(f'mul i64 {stride}, {k}')}"), "%table", j)
        f.emit(f"call i64 @{ENTRY}(ptr %table)")
    f.returned("i64 0")
