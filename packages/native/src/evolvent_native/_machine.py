"""From LLVM's text to machine code of this process, and to functions that Python calls.

LLVM itself is imported on first use: its import costs some 40 ms, which a program that finds no reason to compile
doesn't pay.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import threading
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any

from . import _vector_functions
from ._kernels import lapack
from ._symbols import undefined_symbols

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CodegenError", "Loaded", "compile_ir", "host", "load_object", "prepare", "provide_symbol"]

# What LLVM can't turn down politely on a host: assembly with mistakes in it, and vectors of unknown length where
# there are none, end the process.
_FATAL = re.compile(r"^[^;]*(?<![%@.\w])(asm|vscale)\b")
_STRING = re.compile(r'"[^"\n]*"')
_PLACE = re.compile(r"<string>:(\d+):\d+")
_LINES_SHOWN = 8
# By speed level: the effort of code generation. Beyond 1 it costs a tenth more and gained nothing measurable on
# straight-line floating-point code; loops with integer work profit a little.
_EFFORT = {0: 1, 1: 1, 2: 2, 3: 2}

_lock = threading.RLock()
if hasattr(os, "register_at_fork"):
    # A process that forks in the middle of a compilation would leave its child a lock that nobody opens.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
_machines: dict[tuple[int, int | None], Any] = {}
_provided: dict[str, int] = {}
_numbers = count()
_kept: list[Any] = []  # what must live as long as the process does


class CodegenError(RuntimeError):
    """Code that LLVM does not take, or that can't be linked; the message quotes the lines at fault."""


class Loaded:
    """Machine code that is ready to be called.

    Attributes
    ----------
    address : int
        Of the function; good as long as this object or `function` lives.
    function : callable
        Takes addresses (int or None), releases the GIL, may run in several threads at once, and keeps the code alive.
    """

    __slots__ = ("__weakref__", "address", "function")

    def __init__(self, tracker: Any, address: int, arguments: int, returns: bool):
        self.address = address
        self.function: Callable[..., Any] = _prototype(arguments, returns)(address)
        # On the function, which a thread that runs it holds: the code goes with the last of them.
        self.function.tracker = tracker  # type: ignore[attr-defined]


@cache
def _prototype(arguments: int, returns: bool) -> Any:
    return ctypes.CFUNCTYPE(ctypes.c_int64 if returns else None, *[ctypes.c_void_p] * arguments)


@cache
def _llvm() -> Any:
    """The binding, made ready for this machine."""
    import llvmlite.binding as llvm

    with _lock:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        _open_libraries(llvm)
    return llvm


def _open_libraries(llvm: Any) -> None:
    """See to it that C's functions are found, those that Python itself doesn't link too."""
    if sys.platform == "win32":
        wanted = ["ucrtbase.dll", "vcruntime140.dll", "ntdll.dll"]
        # Microsoft's linker wants to see this name in whatever uses floating-point numbers.
        mark = ctypes.c_int(0)
        _kept.append(mark)
        provide_symbol("_fltused", ctypes.addressof(mark))
    elif llvm.address_of_symbol("pow") is None:
        wanted = ["libm.so.6", "libm.so"]
    else:
        return
    for name in wanted:
        try:
            llvm.load_library_permanently(name)
        except RuntimeError:
            continue


@cache
def host() -> tuple[str, str, str, str]:
    """The CPU's name, its features, the platform, and the versions of llvmlite and LLVM."""
    import llvmlite

    llvm = _llvm()
    version = f"llvmlite {llvmlite.__version__}, LLVM {'.'.join(map(str, llvm.llvm_version_info))}"
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), llvm.get_process_triple(), version


def _machine(effort: int, vector_width: int | None) -> Any:
    """The target machine of a level, made once."""
    key = effort, vector_width
    if key not in _machines:
        llvm = _llvm()
        cpu, features, triple, _ = host()
        if vector_width is not None and "x86_64" in triple:
            features += {128: ",+prefer-128-bit", 256: ",-prefer-128-bit,+prefer-256-bit"}.get(
                vector_width, ",-prefer-128-bit,-prefer-256-bit"
            )
        # Small and position-independent: literals are operands in memory next to the code. What LLVM takes for a
        # JIT by default first loads each one's full address into a register.
        _machines[key] = llvm.Target.from_triple(triple).create_target_machine(
            cpu=cpu, features=features, opt=effort, reloc="pic", codemodel="small", jit=True
        )
    return _machines[key]


def prepare() -> threading.Thread:
    """Let LLVM come up in another thread, meanwhile to be used for something else.

    The first compilation in a process is three times as slow as the next, because the library's pages have to be read.
    """
    thread = threading.Thread(target=_warm, name="evolvent-native-prepare", daemon=True)
    thread.start()
    return thread


def _warm() -> None:
    text = (
        "define i64 @warm(ptr %p) {\nentry:\n  br label %loop\nloop:\n"
        "  %i = phi i64 [0, %entry], [%j, %loop]\n  %x = phi double [1.0, %entry], [%y, %loop]\n"
        "  %a = getelementptr double, ptr %p, i64 %i\n  %v = load double, ptr %a\n"
        "  %w = fmul double %v, 0x3FF3333333333333\n  %y = fadd double %x, %w\n  %c = fcmp olt double %y, 2.0\n"
        "  %z = select i1 %c, double %y, double %v\n  store double %z, ptr %a\n  %j = add i64 %i, 1\n"
        "  %go = icmp slt i64 %j, 8\n  br i1 %go, label %loop, label %done\ndone:\n  ret i64 %j\n}\n"
    )
    load_object(compile_ir(text, speed_level=1), "warm")


def compile_ir(text: str, *, speed_level: int, vector_width: int | None = None) -> bytes:
    """Compile LLVM's text to an object file for this machine's CPU.

    Parameters
    ----------
    text : str
        A module. Its target, if it names one, must be this machine's.
    speed_level : int
        How much LLVM shall do about speed. 0: translate as it stands. 1: fold and drop what is superfluous; enough
        for straight-line code that the graph has simplified already, at a fifth of the cost of the next. What is in
        memory (`alloca`) stays there, and loops stay as they are. 2: LLVM's O1 and vectorised loops, for code with
        loops over arrays. 3: LLVM's O2, and vector instructions for straight-line code as well (SLP), which halves
        the run time of some systems of dozens of equations and costs most.
    vector_width : {None, 128, 256, 512}
        Bits of the vectors that LLVM shall prefer on x86; None leaves it to what it knows of the CPU.

    Raises
    ------
    CodegenError
        If LLVM does not take the text. The message quotes the lines at fault.
    """
    if speed_level not in _EFFORT:
        raise ValueError(f"speed_level is {speed_level!r}; expected 0, 1, 2 or 3")
    if vector_width not in (None, 128, 256, 512):
        raise ValueError(f"vector_width is {vector_width!r}; expected None, 128, 256 or 512")
    _refuse_fatal(text)
    llvm = _llvm()
    triple = host()[2]
    # Every call into LLVM is serialised by llvmlite; this lock is for the machines, which are used again.
    with _lock:
        machine = _machine(_EFFORT[speed_level], vector_width)
        # A context of its own: what is in the process's global one is never freed.
        with llvm.create_context() as context, _parse(llvm, text, context) as module:
            if module.triple not in ("", triple):
                raise CodegenError(f"the code is for {module.triple}; this process runs on {triple}")
            module.triple = triple
            module.data_layout = str(machine.target_data)
            try:
                module.verify()
            except RuntimeError as error:
                raise CodegenError(_quoting(f"LLVM's verifier refused the code: {error}", text)) from None
            _optimise(llvm, module, machine, speed_level)
            return machine.emit_object(module)


def _refuse_fatal(text: str) -> None:
    if "asm" in text or "vscale" in text:
        for number, line in enumerate(text.splitlines(), 1):
            if _FATAL.search(_STRING.sub('""', line)):
                raise CodegenError(f"line {number}: assembly and scalable vectors are not taken: {line.strip()}")


def _parse(llvm: Any, text: str, context: Any) -> Any:
    try:
        return llvm.parse_assembly(text, context)
    except RuntimeError as error:
        raise CodegenError(_quoting(f"LLVM could not read the code: {error}", text)) from None


def _quoting(message: str, text: str) -> str:
    """A message of LLVM's with the numbers of the lines that it is about."""
    lines = text.splitlines()
    at = {int(number) - 1 for number in _PLACE.findall(message)}
    if not at:
        # The verifier gives no line numbers, but prints the instructions.
        printed = {line.strip() for line in message.splitlines() if line.startswith("  ")}
        at = {i for i, line in enumerate(lines) if line.strip() in printed}
    near = sorted({j for i in at for j in (i - 1, i, i + 1) if 0 <= j < len(lines)})[:_LINES_SHOWN]
    return "\n".join([message.rstrip(), *(f"{'>' if j in at else ' '} {j + 1}: {lines[j]}" for j in near)])


def _optimise(llvm: Any, module: Any, machine: Any, level: int) -> None:
    if level == 0:
        return
    options = llvm.create_pipeline_tuning_options(speed_level=1 if level < 3 else 2)
    options.loop_vectorization = options.loop_interleaving = level >= 2
    options.slp_vectorization = level >= 3
    with options, llvm.create_pass_builder(machine, options) as builder:
        if level == 1:
            passes = llvm.create_new_module_pass_manager()
            passes.add_simplify_cfg_pass()
            passes.add_sccp_pass()
            passes.add_instruction_combine_pass()
            passes.add_aggressive_dce_pass()
        else:
            passes = builder.getModulePassManager()
        with passes:
            passes.run(module, builder)


def provide_symbol(name: str, address: int) -> None:
    """Let code that is loaded from now on call `name` at an address, which must stay good."""
    with _lock:
        _provided[name] = address


@cache
def _linker() -> Any:
    # On Windows the newer of LLVM's two linkers is not the tried one.
    return _llvm().create_lljit_compiler(_machine(1, None), use_jit_link=sys.platform != "win32", suppress_errors=True)


def _address(name: str) -> int | None:
    """Where a function that generated code calls is, if it is not one of the process's own."""
    if name.startswith(_vector_functions.PREFIX):
        return _vector_functions.address(name)
    if name not in _provided and name.startswith(lapack.PREFIX):
        lapack.provide()
    return _provided.get(name)


def load_object(data: bytes, symbol: str, *, arguments: int = 1, returns: bool = True) -> Loaded:
    """Link an object file into the process.

    Parameters
    ----------
    data : bytes
        What `compile_ir` gave, here or in another process on an equal machine: it is executed, so take it from
        nobody else.
    symbol : str
        The function to call.
    arguments : int
        How many pointers it takes.
    returns : bool
        Whether it returns an int64, or nothing.

    Raises
    ------
    CodegenError
        If the object file is damaged, lacks `symbol`, or needs a function that is not to be found. Names are looked
        for in what `provide_symbol` and `llvmlite.binding.add_symbol` were given, then in the process.
    """
    llvm = _llvm()
    try:
        names = undefined_symbols(data)
    except ValueError as error:
        raise CodegenError(f"the machine code can't be linked: {error}") from None
    with _lock:
        found = {name: _address(name) or llvm.address_of_symbol(name) for name in names}
        library = llvm.JITLibraryBuilder().add_object_img(data).export_symbol(symbol)
        for name, address in found.items():
            if address:
                library.import_symbol(name, address)
        # What LLVM itself adds on some platforms is known to its own linker only.
        library.add_current_process()
        try:
            tracker = library.link(_linker(), f"evolvent{next(_numbers)}")
        except RuntimeError as error:
            missing = [name for name, address in found.items() if not address]
            because = f"no function {', '.join(missing)} in this process" if missing else str(error)
            raise CodegenError(f"the machine code can't be linked: {because}") from None
    return Loaded(tracker, tracker[symbol], arguments, returns)
