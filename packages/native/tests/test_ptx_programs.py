"""Whole solves, and functions, become kernels of which each thread runs a trajectory."""

import ctypes
import re
import shutil
import subprocess
import sys
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

import evolvent as ev
from evolvent.compiled import ByAddress
from evolvent_native import _functions as functions
from evolvent_native import _gpu, _pointers, _ptx, stage
from evolvent_native._machine import CodegenError, compile_ir, load_object
from evolvent_native._many import HostMemory
from evolvent_native._program import Programs
from evolvent_native._ptx import find_libdevice, to_ptx

pytest.importorskip("llvmlite")

WHY_NO_GPU = ""
try:
    cupy = import_module("cupy")
    if not cupy.cuda.runtime.getDeviceCount():
        WHY_NO_GPU = "cupy: no CUDA device"
except ImportError:
    WHY_NO_GPU = "cupy: not installed"
except Exception as error:  # cupy's own kinds of errors are as many as its versions
    WHY_NO_GPU = f"cupy: {error}"

needs_ptxas = pytest.mark.skipif(shutil.which("ptxas") is None, reason="ptxas is not installed")
needs_libdevice = pytest.mark.skipif(find_libdevice() is None, reason="no CUDA toolkit with libdevice is installed")


# ---------------------------------------------------------------- models
def lorenz(t, y, p):
    return np.stack([10.0 * (y[1] - y[0]), y[0] * (p["rho"] - y[2]) - y[1], y[0] * y[1] - 8.0 / 3.0 * y[2]])


def ball():
    bounce = ev.Event(
        lambda t, y, p: y[0], effect=lambda t, y, p: np.stack([0.0 * y[0], -p["kept"] * y[1]]), direction=-1
    )
    return ev.ODEProblem(
        lambda t, y, p: np.stack([y[1], -9.81 + 0.0 * y[1]]), [1.0, 0.0], (0.0, 1.5), {"kept": 0.9}, events=[bounce]
    )


def ring(t, y, p):
    around = np.concatenate([y[1:], y[:1]]) - 2.0 * y + np.concatenate([y[-1:], y[:-1]])
    return p["rate"] * around + 0.01 * np.sin(y)


def chain(t, y, p):
    """Twelve equations: on the CPU they are vectors."""
    return p["rate"] * (1.0 - y * y) - np.maximum(np.sqrt(np.abs(y)), 0.1) * np.mean(y) + t


def spins(t, y, p):
    return -1j * p["rate"] * y * np.abs(y) + 0.5


def models():
    waves = np.sin(np.linspace(0.0, 6.28, 100))
    rates = np.linspace(0.5, 2.0, 7)
    return {
        "Lorenz": (
            ev.ODEProblem(lorenz, [1.0, 0.0, 0.0], (0.0, 2.0), {"rho": 28.0}),
            {"rho": np.linspace(1.0, 28.0, 7)},
        ),
        "Lorenz in float32": (
            ev.ODEProblem(lorenz, np.ones(3, np.float32), (0.0, 1.0), {"rho": np.float32(2.0)}),
            {"rho": np.linspace(1.0, 2.0, 7, dtype=np.float32)},
        ),
        "bouncing ball": (ball(), {"kept": np.linspace(0.7, 0.9, 7)}),
        "twelve equations": (
            ev.ODEProblem(chain, np.linspace(0.1, 1.0, 12), (0.0, 1.0), {"rate": 1.0}),
            {"rate": rates},
        ),
        "ring of 100": (ev.ODEProblem(ring, waves, (0.0, 0.2), {"rate": 1.0}), {"rate": rates}),
        "complex": (ev.ODEProblem(spins, np.array([1 + 1j, 0.5j]), (0.0, 1.0), {"rate": 2.0}), {"rate": rates}),
    }


MODELS = list(models())


@pytest.fixture(scope="module")
def ensembles():
    """For each model the program of its ensemble, what it is called with and what threads of the CPU give."""
    found, seen = {}, []
    many = Programs.many

    def record(self, operands, alike, count, *rest, **options):
        results = many(self, operands, alike, count, *rest, **options)
        seen.append((self, operands, alike, count, results[0]))
        return results

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Programs, "many", record)
        for name, (problem, params) in models().items():
            saveat = problem.t_span[1] * np.array([0.5, 1.0])
            ev.solve(ev.EnsembleProblem(problem, params=params), "Tsit5", saveat=saveat, backend="native")
            (found[name],) = seen
            seen.clear()
    return found


def assembled(ptx, folder):
    """Assemble; returns registers, bytes of the stack, and bytes of spilled registers."""
    source = folder / "kernel.ptx"
    source.write_text(ptx)
    command = ["ptxas", "-v", "-arch=sm_80", str(source), "-o", str(folder / "kernel.cubin")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    about = done.stderr[done.stderr.index("'evolvent_many'") :]
    stack, *spilled = map(int, re.findall(r"(\d+) bytes (?:stack frame|spill)", about)[:3])
    (registers,) = re.findall(r"Used (\d+) registers", about)
    return int(registers), stack, sum(spilled)


# ---------------------------------------------------------------- assembling
@needs_ptxas
@needs_libdevice
@pytest.mark.parametrize("name", MODELS)
def test_whole_solves_assemble(name, ensembles, tmp_path, record_property):
    """An adaptive solve with saved times, events and effects is one kernel; those of a few equations spill nothing."""
    programs, _, alike, _, _ = ensembles[name]
    ptx = _gpu.kernel_of(programs, alike).ptx("sm_80")
    assert len(re.findall(r"\.entry", ptx)) == 1
    assert ".extern" not in ptx
    registers, stack, spilled = assembled(ptx, tmp_path)
    record_property("registers", registers)
    record_property("stack", stack)
    assert registers <= 255
    record_property("spilled", spilled)
    if name == "twelve equations":
        # Seven stages of a dozen numbers are more than the 255 registers of a thread.
        assert stack < 1024
    else:
        assert spilled == 0
    if "Lorenz" in name:
        # The state, the stages and the table of addresses are all in registers.
        assert stack == 0


numbers = np.random.default_rng(0).normal(size=(8, 8))
row = np.linspace(0.1, 3.0, 40)
FUNCTIONS = {
    "solve": (np.linalg.solve, numbers, numbers[0]),
    "complex solve": (np.linalg.solve, numbers + 1j * numbers.T, numbers[0]),
    "large solve": (np.linalg.solve, np.eye(100), np.ones(100)),
    "cholesky": (np.linalg.cholesky, numbers @ numbers.T),
    "qr": (lambda a: tuple(np.linalg.qr(a)), numbers),
    "product": (lambda a: a @ a, numbers.astype(np.float32)),
    "large product": (lambda a, b: a @ a @ b, np.eye(100), np.ones(100)),
    "sort": (lambda x: (np.sort(x), np.argsort(x), np.argmax(x)), row),
    "search": (np.searchsorted, row, row),
    "running sum": (np.cumsum, row),
    "remainders": (lambda x: x % 0.3 + x // 0.7, row),
    "integers": (lambda n: n**3 // 7 % 5 + (n << 2), np.arange(40)),
    "casts": (lambda x: (functions.astype(x, np.int32), functions.astype(x, np.uint8)), row),
    "reductions": (lambda x: np.sum(x) + np.max(x) + np.any(x > 1), row),
    "elementary": (lambda x: np.exp(x) + np.log1p(x) + np.tan(x) + np.arctan2(x, x) + np.hypot(x, x) + x**1.3, row),
    "elementary, complex": (lambda x: np.exp(x) + np.sqrt(x) + np.log(x) + x**2.5, numbers + 1j),
    "places": (lambda x: np.take(x, np.arange(0, 40, 3)), row),
}


@needs_ptxas
@needs_libdevice
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_assemble(name, tmp_path):
    """What functions are made of, linear algebra, sorting and casts too, is all there on GPUs."""
    function, *arguments = FUNCTIONS[name]
    assembled(stage(function, *arguments).ptx(), tmp_path)


def test_functions_that_stay_external(monkeypatch):
    """Without libdevice the text says at its head what it has to be linked with."""
    monkeypatch.setattr(_ptx, "find_libdevice", lambda: None)
    ptx = stage(lambda x: np.exp(x) * np.sin(x), row).ptx("sm_90")
    assert ptx.startswith("// CUDA's libdevice was not found")
    assert "__nv_exp, __nv_sin\n" in ptx
    assert ".target sm_90" in ptx
    assert stage(lambda x: x + 1.0, row).ptx().count("libdevice") == 0


def test_operations_are_the_cpus():
    """Products and sums are contracted where the CPU's code may do that, and nowhere else."""
    ptx = stage(lambda x: x * x + 1.0, row).ptx()
    assert "mul.rn.f64" in ptx
    assert "fma.rn.f64" not in ptx


@pytest.mark.parametrize("to", ["i8", "i16", "i32", "i64"])
def test_casts_saturate(to):
    """Casts of numbers to integers are taken, in every width."""
    lines = []
    for sign in "su":
        for kind, of in (("double", "f64"), ("float", "f32")):
            cast = f"@llvm.fpto{sign}i.sat.{to}.{of}({kind}"
            lines.append(
                f"declare {to} {cast})\ndefine ptx_kernel void @{sign}{of}(ptr %x, {kind} %v) {{\n"
                f"  %w = call {to} {cast} %v)\n  store {to} %w, ptr %x\n  ret void\n}}\n"
            )
    assert to_ptx("".join(lines)).count(".entry") == 4


# ---------------------------------------------------------------- running
BLOCK = 4
THREADS = f"""
@thread = internal global i64 0
define internal i32 @thread.tid.x() {{
  %i = load i64, ptr @thread
  %r = urem i64 %i, {BLOCK}
  %n = trunc i64 %r to i32
  ret i32 %n
}}
define internal i32 @thread.ctaid.x() {{
  %i = load i64, ptr @thread
  %r = udiv i64 %i, {BLOCK}
  %n = trunc i64 %r to i32
  ret i32 %n
}}
define internal i32 @thread.ntid.x() {{
  ret i32 {BLOCK}
}}
define i64 @launch(i64 %threads, ptr %first, ptr %strides, i64 %low, i64 %high, ptr %workspace, i64 %size) {{
entry:
  br label %each
each:
  %i = phi i64 [ 0, %entry ], [ %j, %each ]
  store i64 %i, ptr @thread
  call void @evolvent_many(ptr %first, ptr %strides, i64 %low, i64 %high, ptr %workspace, i64 %size)
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %threads
  br i1 %more, label %each, label %done
done:
  ret i64 0
}}
"""


def imitated(kernel):
    """A launch of the kernel's own text on the CPU, thread after thread, with C's functions for libdevice's."""
    text = kernel.text.replace('target triple = "nvptx64-nvidia-cuda"\n', "")
    text = text.replace("define ptx_kernel", "define").replace("@__nv_", "@")
    text = re.sub(r"declare i32 @llvm\.nvvm\.read\.ptx\.sreg.*\n", "", text)
    text = text.replace("@llvm.nvvm.read.ptx.sreg.", "@thread.") + THREADS
    loaded = load_object(compile_ir(text, speed_level=1), "launch", arguments=7)
    at = HostMemory().at

    def launch(threads, first, strides, low, high, workspace, size):
        blocks = -(-threads // BLOCK)
        loaded.function(blocks * BLOCK, at(first), at(strides), low, high, at(workspace), size)

    return launch


@pytest.mark.parametrize("name", MODELS)
def test_threads_run_trajectories(name, ensembles, monkeypatch):
    """The kernel, run by an imitation of a GPU's threads and blocks, gives what solves on the CPU give.

    Launches follow each other when workspaces take too much memory; surplus threads of a block do nothing.
    """
    programs, operands, alike, count, expected = ensembles[name]
    kernel = _gpu.kernel_of(programs, alike)
    monkeypatch.setattr(_gpu, "MOST_WORKSPACE", 3 * max(64, kernel.workspace))
    results = _gpu.run(kernel, operands, alike, programs.data, count, HostMemory(), imitated(kernel))
    single = "float32" in name
    compare(results, expected, rtol=1e-4 if single else 1e-9)


def on_host(x):
    return x if isinstance(x, np.ndarray) else x.get()


def compare(results, expected, rtol):
    """What solves end with: status and counts exactly, times and states to rounding."""
    assert np.array_equal(results.march.status, expected.march.status)
    assert np.array_equal(results.saves, expected.saves)
    np.testing.assert_allclose(results.march.t, expected.march.t, rtol=rtol)
    for ours, theirs in zip(results.saved, expected.saved, strict=True):
        np.testing.assert_allclose(on_host(ours), theirs, rtol=rtol, atol=rtol)


@pytest.mark.gpu
@pytest.mark.skipif(bool(WHY_NO_GPU), reason=WHY_NO_GPU)
@pytest.mark.parametrize("name", MODELS)
def test_on_a_gpu(name, ensembles):
    """An ensemble on a GPU gives what the CPU's threads give."""
    programs, operands, alike, count, expected = ensembles[name]
    results = _gpu.run_on_device(programs, operands, alike, count)
    compare(results, expected, rtol=1e-4 if "float32" in name else 1e-6)


def test_what_gpus_can_not_call():
    """A function that C compiled is an address on the CPU, and refused."""
    compiled = ctypes.CFUNCTYPE(None, ctypes.c_double, *[ctypes.c_void_p] * 3)(lambda *arguments: None)
    function = ByAddress(compiled, compiled)
    with pytest.raises(CodegenError, match="by address"):
        stage(lambda y: _pointers.called(function, 0.0, y, np.ones(1)), np.ones(2)).ptx()


def test_where_kernels_lack_functions(ensembles, monkeypatch):
    """A device is not asked to load code without the functions that it calls: the error says what to install."""
    device = SimpleNamespace(compute_capability="80")
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(Device=lambda: device)))
    monkeypatch.setattr(_ptx, "find_libdevice", lambda: None)
    programs, operands, alike, count, _ = ensembles["complex"]
    with pytest.raises(CodegenError, match=r"__nv_hypot.*CUDA_HOME"):
        _gpu.run_on_device(programs, operands, alike, count)
