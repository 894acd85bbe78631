"""The CuPy backend: the eager one, on the CUDA device where the arrays lie."""

from __future__ import annotations

from functools import wraps
from typing import Any

import cupy
import numpy as np
from array_api_compat import cupy as namespace

from evolvent import BackendError, EagerBackend


def devices() -> list[str]:
    """List the CUDA devices that CuPy sees."""
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:  # no driver, or no device
        return []
    names = [cupy.cuda.runtime.getDeviceProperties(i)["name"].decode() for i in range(count)]
    return [f"cuda:{i} ({name})" for i, name in enumerate(names)]


def on_device(method: Any) -> Any:
    """Let a method of the backend work on the backend's device: CuPy makes new arrays on the current one."""

    @wraps(method)
    def run(self, *arguments, **options):
        with cupy.cuda.Device(self.device.id):
            return method(self, *arguments, **options)

    return run


class CupyBackend(EagerBackend):
    """Runs a solve call by call on CuPy's arrays, with one transfer from the device a step.

    Parameters
    ----------
    device : cupy.cuda.Device, optional
        Where the arrays lie; the current device when None.
    """

    name = "cupy"

    def __init__(self, device: Any = None):
        super().__init__(namespace, cupy.cuda.Device() if device is None else device)

    @classmethod
    def of(cls, leaves: list[Any]) -> CupyBackend:
        """Make the backend for a problem with these arrays."""
        for leaf in leaves:
            if not isinstance(leaf, cupy.ndarray):
                home = type(leaf).__module__.split(".")[0]
                raise BackendError(
                    "backend",
                    f"'cupy' runs CuPy's arrays, got an array of {home}.",
                    "Convert with cupy.asarray.",
                )
        return cls(leaves[0].device if leaves else None)

    @property
    def device_label(self) -> str:
        return f"cuda:{self.device.id}"

    # CuPy's dtypes are NumPy's: no array need be made on the device to ask for one.
    def default_real(self):
        return np.dtype(np.float64)

    def real_dtype(self, dtype):
        return np.zeros((), dtype=dtype).real.dtype

    def time(self, t, like):
        dtype = self.real_dtype(like.dtype)
        if isinstance(t, cupy.ndarray):
            return t.astype(dtype, copy=False)
        # A kernel that fills does not wait for the device; a copy from the host may.
        return cupy.full((), float(t), dtype=dtype)

    def host(self, x):
        return cupy.asnumpy(x) if isinstance(x, cupy.ndarray) else super().host(x)

    initial = on_device(EagerBackend.initial)
    stacked = on_device(EagerBackend.stacked)
    filtered = on_device(EagerBackend.filtered)
    data_times = on_device(EagerBackend.data_times)
    evaluate = on_device(EagerBackend.evaluate)
    jvp = on_device(EagerBackend.jvp)
    pushed = on_device(EagerBackend.pushed)
    sparse_jacobian = on_device(EagerBackend.sparse_jacobian)
    lu = on_device(EagerBackend.lu)
    lu_solve = on_device(EagerBackend.lu_solve)

    def program(self, entry, functions, examples):
        run = super().program(entry, functions, examples)

        def on_its_device(*operands):
            with cupy.cuda.Device(self.device.id):
                return run(*operands)

        return on_its_device
