"""LLVM's text becomes functions of this process, and mistakes in it become exceptions."""

import ctypes
import gc
import math
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from evolvent_native._machine import (
    CodegenError,
    compile_ir,
    host,
    load_object,
    prepare,
    provide_symbol,
)
from evolvent_native._symbols import undefined_symbols

llvm = pytest.importorskip("llvmlite.binding")

AXPY = """
define i64 @axpy(ptr noalias %x, ptr noalias %y, ptr noalias %n) {
entry:
  %count = load i64, ptr %n
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
  %xi = getelementptr double, ptr %x, i64 %i
  %yi = getelementptr double, ptr %y, i64 %i
  %a = load double, ptr %xi
  %b = load double, ptr %yi
  %c = fmul double %a, 3.0
  %d = fadd double %b, %c
  store double %d, ptr %yi
  %next = add nuw nsw i64 %i, 1
  %go = icmp ult i64 %next, %count
  br i1 %go, label %loop, label %done
done:
  ret i64 %next
}
"""
CONSTANT = "define i64 @f(ptr %x) {{\n  ret i64 {}\n}}\n"
UNARY = """
declare double @{name}(double)
define i64 @f(ptr %x) {{
  %a = load double, ptr %x
  %b = call double @{name}(double %a)
  store double %b, ptr %x
  ret i64 0
}}
"""


def address(array):
    return array.ctypes.data


@pytest.mark.parametrize("width", [None, 128, 256, 512])
@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_every_level_and_width_computes_the_same(level, width):
    """What LLVM does about speed never changes a rounded result."""
    code = load_object(compile_ir(AXPY, speed_level=level, vector_width=width), "axpy", arguments=3)
    x, y, n = np.linspace(0, 1, 37), np.geomspace(1, 9, 37), np.array([37])
    expected = y + 3 * x
    assert code.function(address(x), address(y), address(n)) == 37
    np.testing.assert_array_equal(y, expected)


def test_nothing_returned():
    """A function that returns nothing gives None."""
    code = compile_ir("define void @f(ptr %x) {\n  store i64 5, ptr %x\n  ret void\n}\n", speed_level=1)
    x = np.zeros(1, np.int64)
    assert load_object(code, "f", returns=False).function(address(x)) is None
    assert x[0] == 5


@pytest.mark.parametrize("name", ["exp", "sin", "cos", "tanh", "log1p", "atan", "cbrt", "erf", "lgamma"])
def test_functions_of_c_are_found(name):
    """Mathematical functions of C resolve by name."""
    x = np.array([0.3])
    code = load_object(compile_ir(UNARY.format(name=name), speed_level=1), "f")
    code.function(address(x))
    assert x[0] == pytest.approx(getattr(math, name)(0.3) if hasattr(math, name) else 0.3 ** (1 / 3), rel=1e-15)


@pytest.mark.parametrize("register", [provide_symbol, llvm.add_symbol])
def test_own_functions_are_found(register):
    """A function that was registered by its address is called, wherever in memory it is."""
    calls = []
    twice = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda x: calls.append(x) or 2 * x)
    name = f"evolvent_test_{register.__name__}"
    register(name, ctypes.cast(twice, ctypes.c_void_p).value)
    x = np.array([21.0])
    load_object(compile_ir(UNARY.format(name=name), speed_level=1), "f").function(address(x))
    assert (x[0], calls) == (42.0, [21.0])


def test_missing_functions_are_named():
    """A function that is nowhere is an error with its name, not the end of the process."""
    with pytest.raises(CodegenError, match="no function evolvent_nowhere"):
        load_object(compile_ir(UNARY.format(name="evolvent_nowhere"), speed_level=1), "f")


def test_missing_entry():
    """An object file without the wanted function is refused."""
    with pytest.raises(CodegenError, match="can't be linked"):
        load_object(compile_ir(CONSTANT.format(1), speed_level=1), "g")


@pytest.mark.parametrize("keep", [0, 1, 3, 16, 63, 64, 200, 500, -1])
def test_truncated_object(keep):
    """A truncated object file is refused."""
    data = compile_ir(UNARY.format(name="exp"), speed_level=1)[:keep]
    with pytest.raises(CodegenError, match="can't be linked"):
        load_object(data, "f")


def test_unreadable_text_is_quoted():
    """A mistake in the text raises, with the line's number and the line."""
    text = AXPY.replace("fmul double %a", "fmull double %a")
    with pytest.raises(CodegenError, match=r"> 12:   %c = fmull double %a, 3\.0"):
        compile_ir(text, speed_level=1)


def test_invalid_code_is_quoted():
    """Code that can be read but means nothing raises, with the instruction."""
    text = "define i64 @f(ptr %x) {\n  br label %b\na:\n  %v = add i64 1, 2\n  br label %b\nb:\n  ret i64 %v\n}\n"
    with pytest.raises(CodegenError, match=r"> 4:   %v = add i64 1, 2"):
        compile_ir(text, speed_level=1)


@pytest.mark.parametrize(
    "text",
    [
        'define i64 @f(ptr %x) {\n  call void asm sideeffect "nonsense", ""()\n  ret i64 0\n}\n',
        'module asm "nonsense"\n',
        "define <vscale x 2 x double> @f(<vscale x 2 x double> %x) {\n  ret <vscale x 2 x double> %x\n}\n",
    ],
)
def test_what_would_end_the_process(text):
    """What LLVM ends the process for is refused before it sees it."""
    with pytest.raises(CodegenError, match="not taken"):
        compile_ir(text, speed_level=1)


def test_names_that_only_look_like_assembly():
    """Comments, strings and names don't count."""
    text = 'define i64 @f(ptr %asm) "asm"="vscale" { ; asm\n  %b = ptrtoint ptr %asm to i64\n  ret i64 %b\n}\n'
    assert load_object(compile_ir(text, speed_level=1), "f").function(12) == 12


def test_foreign_target():
    """Code for another platform is refused."""
    with pytest.raises(CodegenError, match="nvptx64"):
        compile_ir('target triple = "nvptx64-nvidia-cuda"\n' + CONSTANT.format(1), speed_level=1)


def test_bad_settings():
    """Unknown levels and widths name the argument."""
    with pytest.raises(ValueError, match="speed_level is 4"):
        compile_ir("", speed_level=4)
    with pytest.raises(ValueError, match="vector_width is 100"):
        compile_ir("", speed_level=1, vector_width=100)


def test_the_function_keeps_the_code():
    """Machine code lives as long as its function and is freed with it."""
    code = load_object(compile_ir(CONSTANT.format(11), speed_level=1), "f")
    function = code.function
    tracker = weakref.ref(function.tracker)
    del code
    gc.collect()
    assert function(None) == 11
    del function
    gc.collect()
    assert tracker() is None


def test_equal_names_side_by_side():
    """Several codes with the same function names don't meet."""
    codes = [load_object(compile_ir(CONSTANT.format(i), speed_level=1), "f") for i in range(5)]
    assert [code.function(None) for code in codes] == list(range(5))


def test_threads():
    """Threads compile, link and run at once."""
    results, errors = {}, []

    def work(i):
        try:
            for j in range(5):
                code = load_object(compile_ir(CONSTANT.format(100 * i + j), speed_level=1), "f")
                results[i, j] = code.function(None)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert results == {(i, j): 100 * i + j for i in range(6) for j in range(5)}


def test_gil_is_released():
    """While machine code runs, other Python threads do."""
    spin = """
define i64 @f(ptr %x) {
entry:
  br label %loop
loop:
  %v = load atomic volatile i64, ptr %x seq_cst, align 8
  %wait = icmp eq i64 %v, 0
  br i1 %wait, label %loop, label %done
done:
  ret i64 %v
}
"""
    code, flag = load_object(compile_ir(spin, speed_level=1), "f"), np.zeros(1, np.int64)
    results = []
    thread = threading.Thread(target=lambda: results.append(code.function(address(flag))))
    thread.start()
    flag[0] = 9  # reached only if the loop does not hold the GIL
    thread.join(10)
    assert results == [9]


def test_prepare_in_another_thread():
    """Preparing runs beside a compilation of one's own."""
    thread = prepare()
    assert load_object(compile_ir(CONSTANT.format(3), speed_level=1), "f").function(None) == 3
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_fork_in_the_middle_of_a_compilation():
    """A child that was forked while another thread compiled can compile."""
    # In a process of its own: one that has loaded JAX, as pytest's may have, must not fork.
    subprocess.run([sys.executable, "-W", "ignore", "-c", ALONE, __file__, "_fork_while_compiling"], check=True)


# Calls a function of a test file.
ALONE = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("alone", sys.argv[1])
sys.modules["alone"] = module = module_from_spec(spec)
spec.loader.exec_module(module)
getattr(module, sys.argv[2])()
"""


def _fork_while_compiling():
    compile_ir(AXPY, speed_level=3)  # whoever forks while another thread imports leaves the child a module half made
    stop = threading.Event()

    def work():
        while not stop.is_set():
            compile_ir(AXPY, speed_level=3)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    status = load_object(compile_ir(CONSTANT.format(5), speed_level=1), "f").function(None)
                finally:
                    os._exit(status)
            deadline = time.monotonic() + 20
            while (done := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
                time.sleep(0.005)
            if done[0] == 0:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(done[1]) == 5
            assert done[0] == child
    finally:
        stop.set()
        thread.join()


def test_llvm_is_imported_on_first_use():
    """Importing the module does not import LLVM."""
    script = "import sys, evolvent_native._machine; assert 'llvmlite' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_host():
    """The host's description names a CPU, features, a platform and versions."""
    cpu, features, triple, version = host()
    assert cpu
    assert triple.count("-") >= 2
    assert "LLVM" in version
    assert isinstance(features, str)


@pytest.mark.parametrize(
    "triple",
    [
        "x86_64-unknown-linux-gnu",
        "aarch64-unknown-linux-gnu",
        "s390x-unknown-linux-gnu",
        "x86_64-apple-macosx12",
        "arm64-apple-macosx13",
        "x86_64-pc-windows-msvc",
        "aarch64-pc-windows-msvc",
    ],
)
def test_undefined_symbols_of_every_platform(triple):
    """Symbol tables of ELF, Mach-O and COFF give the same names, and damaged ones raise ValueError only."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        target = llvm.Target.from_triple(triple)
    except RuntimeError:
        pytest.skip(f"this LLVM has no target for {triple}")
    machine = target.create_target_machine(opt=1, reloc="pic", codemodel="small")
    text = UNARY.format(name="exp") + UNARY.format(name="a_name_of_more_than_eight_letters").replace("@f", "@g")
    with llvm.create_context() as context, llvm.parse_assembly(text, context) as module:
        module.triple, module.data_layout = triple, str(machine.target_data)
        data = machine.emit_object(module)
    assert set(undefined_symbols(data)) - {"_fltused"} == {"exp", "a_name_of_more_than_eight_letters"}
    for length in range(len(data)):
        try:
            undefined_symbols(data[:length])
        except ValueError:
            continue
