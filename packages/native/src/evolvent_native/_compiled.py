"""Staging and compiling single functions: for those who want to look, and for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _functions  # noqa: F401  (gives arrays their operators)
from ._program import Programs
from ._staging import Staged, stage_function


class Call:
    """The entry of a program that is one function."""

    key = ("function",)

    def __call__(self, functions: Any, *operands: Any) -> Any:
        return functions["f"](*operands)


class StagedFunction:
    """What a function computes for arguments of given shapes and dtypes.

    Parameters
    ----------
    function : callable
        Takes and returns (trees of) arrays and numbers.
    examples
        Arguments; of arrays only shapes and dtypes are looked at.

    Attributes
    ----------
    graph
        The operations, in order.
    """

    def __init__(self, function: Callable[..., Any], *examples: Any):
        self.staged: Staged = stage_function(function, examples)
        self.graph = self.staged.graph
        self._programs = Programs(None, Call(), {"f": self.staged})

    def show(self) -> str:
        """The graph as text, an operation a line."""
        from ._show import show

        return show(self.graph)

    def llvm(self) -> str:
        """The unit of LLVM's text that is compiled for the function."""
        from ._codegen import generate

        return generate(self.graph)[0]

    def ptx(self, cpu: str = "sm_80") -> str:
        """The function as a kernel for NVIDIA's GPUs, in their assembly.

        Its one entry, ``evolvent_many``, runs the function for an argument of its own in each thread; its parameters
        are described in `_codegen.device`. Mathematical functions come from CUDA's libdevice. Where that is not
        found they stay external, and a comment at the head of the text names them.

        Parameters
        ----------
        cpu : str
            The oldest kind of GPU that shall run it.

        Raises
        ------
        CodegenError
            If the function calls what GPUs can't, as compiled functions of the host.
        """
        from ._gpu import kernel_for
        from ._program import Kind

        like = [np.broadcast_to(np.zeros((), x.dtype), x.shape) for x in self.graph.params]
        return kernel_for(self._programs, [Kind(x) for x in like], self.staged.in_structure).ptx(cpu)

    def __call__(self, *arguments: Any) -> Any:
        """Run the machine code on other arguments of the same kinds."""
        return self._programs(*arguments)

    def __repr__(self) -> str:
        return f"<staged function of {len(self.graph.params)} arrays, {len(self.graph.nodes)} operations>"


def stage(function: Callable[..., Any], *examples: Any) -> StagedFunction:
    """Stage a function: call it once with recording arrays, and keep what it does.

    Parameters
    ----------
    function : callable
        A function of (trees of) arrays, written with the Array API or with NumPy.
    *examples
        Arguments; of arrays only shapes and dtypes count.

    Returns
    -------
    StagedFunction
        Its `show()` is the graph as text; calling it runs the machine code.

    Raises
    ------
    StagingError
        If the function asks for what is known only when it runs.

    Examples
    --------
    >>> import numpy as np
    >>> from evolvent_native import stage
    >>> decay = stage(lambda y: -0.5 * np.exp(y), np.zeros(3))
    >>> decay(np.zeros(3))
    array([-0.5, -0.5, -0.5])
    """
    return StagedFunction(function, *examples)
