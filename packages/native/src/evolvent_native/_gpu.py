"""Programs as kernels of GPUs: a thread for each trajectory.

Threads of one launch run in step as far as their trajectories do; each has a workspace of its own, so that large
arrays of neighbours lie apart. What is small lives in registers, as on the CPU.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ._codegen import generate
from ._codegen.unit import MANY
from ._machine import CodegenError
from ._many import Laid
from ._program import Kind, Layout, Programs, record
from ._ptx import external, to_ptx
from ._staging import flatten

BLOCK = 128  # threads of a block
MOST_WORKSPACE = 1 << 30  # bytes for the threads of one launch: where more are wanted, launches follow each other


@dataclass
class Kernel:
    """A program's code for a GPU.

    Attributes
    ----------
    text : str
        For LLVM.
    workspace : int
        Bytes that a thread wants.
    """

    text: str
    layout: Layout
    workspace: int

    def ptx(self, cpu: str) -> str:
        """The code as PTX, for GPUs of a kind and newer ones."""
        return to_ptx(self.text, cpu)


def kernel_of(programs: Programs, operands: Any) -> Kernel:
    """A program's kernel for operands of these kinds: those of one trajectory."""
    leaves, structure = flatten(operands)
    return kernel_for(programs, [Kind(x) for x in leaves], structure)


def kernel_for(programs: Programs, coming: list[Kind], structure: Any) -> Kernel:
    """A program's kernel for operands of known kinds."""
    graph, about = record(programs.entry, programs.staged, coming, structure)
    text, workspace = generate(graph, "nvptx64", len(programs.data) + len(about["literals"]))
    return Kernel(text, Layout(about | {"workspace": workspace}), workspace)


def run(
    kernel: Kernel,
    operands: Any,
    alike: Any,
    data: list[Any],
    count: int,
    memory: Any,
    launch: Callable[..., Any],
) -> Any:
    """Run a kernel for `count` trajectories.

    Parameters
    ----------
    operands, alike : tree
        The operands of all, and of one: leaves of another shape than the one's have an axis of trajectories in
        front.
    memory
        Makes arrays: see `_many.HostMemory`.
    launch : callable
        Takes the number of threads and the kernel's arguments.

    Returns
    -------
    results
        With an axis of trajectories in front; numbers are NumPy's, arrays are the memory's.
    """
    one, leaves = flatten(alike)[0], flatten(operands)[0]
    varies = [_shape(x) != _shape(y) for x, y in zip(leaves, one, strict=True)]
    laid = Laid(kernel.layout, leaves, varies, data, count, memory)
    first, strides = (memory.ready(row, row.dtype) for row in laid.table)
    size = max(64, -(-kernel.workspace // 64) * 64)
    wave = max(1, min(count, MOST_WORKSPACE // size))
    workspace = memory.zeros(wave * size, np.uint8)
    for low in range(0, count, wave):
        high = min(low + wave, count)
        launch(high - low, first, strides, low, high, workspace, size)
    return laid.results()


def _shape(x: Any) -> tuple[int, ...]:
    return x.shape if hasattr(x, "shape") else np.shape(x)


def run_on_device(programs: Programs, operands: Any, alike: Any, count: int) -> Any:
    """Run a program for `count` trajectories on CuPy's current device; arrays may be on it or NumPy's.

    A launch ends when its last trajectory does: nothing looks at the clock or the keyboard meanwhile.
    """
    import cupy

    memory = _DeviceMemory(cupy)
    one, structure = flatten(alike)
    kernel = kernel_for(programs, [Kind(memory.on_host(x)) for x in one], structure)
    ptx = kernel.ptx(f"sm_{cupy.cuda.Device().compute_capability}")
    missing = external(ptx)
    if missing:
        raise CodegenError(
            f"the program calls {', '.join(missing)}, and CUDA's libdevice.10.bc was not found: "
            "install the CUDA toolkit, or set CUDA_HOME to where it is"
        )
    function = _loaded(ptx)

    def launch(threads: int, first: Any, strides: Any, low: int, high: int, workspace: Any, size: int) -> None:
        grid = (-(-threads // BLOCK),)
        function(grid, (BLOCK,), (first, strides, np.int64(low), np.int64(high), workspace, np.int64(size)))

    return run(kernel, operands, alike, programs.data, count, memory, launch)


def _loaded(ptx: str) -> Any:
    """The kernel of some PTX, as CuPy's function."""
    import cupy

    # CuPy takes PTX from a file only, opens it when the kernel is first launched on a device, and knows it by name.
    path = Path(_folder().name, f"{hashlib.blake2b(ptx.encode(), digest_size=16).hexdigest()}.ptx")
    path.write_text(ptx)
    return cupy.RawModule(path=str(path)).get_function(MANY)


@cache
def _folder() -> Any:
    return tempfile.TemporaryDirectory(prefix="evolvent-ptx-")


class _DeviceMemory:
    """Arrays that a GPU reads: CuPy's."""

    def __init__(self, cupy: Any):
        self.cupy = cupy

    def zeros(self, shape: Any, dtype: Any) -> Any:
        return self.cupy.zeros(shape, dtype)

    def ready(self, x: Any, dtype: np.dtype) -> Any:
        return self.cupy.ascontiguousarray(self.cupy.asarray(x, dtype))

    def at(self, x: Any) -> int:
        return x.data.ptr

    def on_host(self, x: Any) -> Any:
        return self.cupy.asnumpy(x) if hasattr(x, "__cuda_array_interface__") else x
