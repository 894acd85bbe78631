"""From LLVM's text to PTX, the assembly of NVIDIA's GPUs.

Mathematical functions are those of libdevice (``__nv_pow``, ``__nv_exp``, ...), a file that comes with CUDA. Where
LLVM can't translate something for a GPU it ends the process, so that everything outside a list of what is known to
work is refused first. Unlike in code for the CPU, memory is given by address alone: no thread-local variables,
no calls by address, no atomic operations.
"""

from __future__ import annotations

import os
import re
import site
import sys
from functools import cache
from pathlib import Path
from typing import Any

from ._machine import CodegenError, _lock, _parse, _quoting, _refuse_fatal

__all__ = ["external", "find_libdevice", "refuse", "to_ptx"]

_TRIPLE = "nvptx64-nvidia-cuda"
# What this LLVM knows; anything else it would warn of on the console and take for the oldest.
_CPU = re.compile(r"sm_(?:5[023]|6[012]|7[025]|8[0679]|90a?|1(?:0[013]|2[01])a?)")
# Intrinsics that every GPU has instructions for, or that LLVM writes out in terms of such.
_INTRINSIC = re.compile(
    r"llvm\.(?:fabs|fma|fmuladd|sqrt|floor|ceil|trunc|rint|nearbyint|roundeven|copysign|minnum|maxnum|is\.fpclass"
    r"|abs|smax|smin|umax|umin|ctpop|ctlz|cttz|bswap|bitreverse|fshl|fshr|[su](?:add|sub|mul)\.with\.overflow"
    r"|fpto[su]i\.sat|memcpy|memset|memmove|assume|expect|lifetime\.start|lifetime\.end)"
    r"(?:\.(?:f32|f64|i1|i8|i16|i32|i64|p0))*"
)
_REGISTER = re.compile(r"llvm\.nvvm\.read\.ptx\.sreg\.(?:(?:tid|ntid|ctaid|nctaid)\.[xyz]|laneid|warpsize)")
_LIBDEVICE = re.compile(r"__nv_\w+")
_PTX_NAME = re.compile(r"[A-Za-z][\w$]*|[_$][\w$]+")
_RENAMED = {"minimum": "fmin", "maximum": "fmax"}  # libdevice goes by C's names

_OPERAND = r'[%@](?:"[^"]*"|[-\w.$]+)'
_QUOTED = re.compile(r'"[^"]*"')
_INSTRUCTION = re.compile(rf"^\s+(?:{_OPERAND} = )?(?:(?:tail|notail|musttail) )?([a-z_]+)\b(.*)")
_BAD_INSTRUCTIONS = {
    "frem": "call __nv_fmod or __nv_fmodf instead",
    "atomicrmw": "no atomic operations",
    "cmpxchg": "no atomic operations",
    "fence": "no atomic operations",
    "invoke": "there are no exceptions",
    "callbr": "there are no exceptions",
    "landingpad": "there are no exceptions",
    "resume": "there are no exceptions",
    "catchswitch": "there are no exceptions",
    "indirectbr": "no jumps to computed places",
    "va_arg": "no variable numbers of arguments",
}
_BAD_TYPES = re.compile(r"(?<![%@\w.$-])(?:fp128|x86_fp80|ppc_fp128|x86_amx|half|bfloat|token|i\d{3,})(?![\w.])")
_SPACE = re.compile(r"addrspace\((\d+)\)")
_CALL_BY_ADDRESS = re.compile(r"^[^@%(]*(?:\([^()]*\)[^@%(]*)?%(?:\"[^\"]*\"|[-\w.$]+)\(")
_DYNAMIC = re.compile(r", i\d+ %")


def to_ptx(text: str, cpu: str = "sm_80", *, libdevice: Path | str | None = None) -> str:
    """Compile LLVM's text to PTX.

    Parameters
    ----------
    text : str
        A module with kernels (``define ptx_kernel void @name``). Floating-point operations are rounded one by one
        unless the text allows to contract them.
    cpu : str
        The oldest kind of GPU that shall run it.
    libdevice : path, optional
        The file with the mathematical functions; by default `find_libdevice` looks for it. Where there is none, the
        functions stay external, to be linked by whoever loads the code.

    Raises
    ------
    CodegenError
        If the text is wrong, or contains what GPUs don't do.
    """
    if not _CPU.fullmatch(cpu):
        raise ValueError(f"cpu is {cpu!r}; expected a kind of GPU that LLVM knows, from sm_50 to sm_121")
    _refuse_fatal(text)
    llvm = _llvm()
    with _lock, llvm.create_context() as context, _parse(llvm, text, context) as module:
        if module.triple not in ("", _TRIPLE):
            raise CodegenError(f"the code is for {module.triple}; expected {_TRIPLE}")
        machine = _machine(cpu)
        module.triple = _TRIPLE
        module.data_layout = str(machine.target_data)
        try:
            module.verify()
        except RuntimeError as error:
            raise CodegenError(_quoting(f"LLVM's verifier refused the code: {error}", text)) from None
        refuse(module)
        if any(f.is_declaration and _LIBDEVICE.fullmatch(f.name) for f in module.functions):
            _link_libdevice(llvm, module, context, Path(libdevice) if libdevice is not None else find_libdevice())
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
        with options, llvm.create_pass_builder(machine, options) as builder:
            with llvm.create_new_module_pass_manager() as passes:
                # Most of libdevice goes before anything looks at it.
                passes.add_global_dead_code_eliminate_pass()
                passes.run(module, builder)
            with builder.getModulePassManager() as passes:
                passes.run(module, builder)
            return _naming_external(machine.emit_assembly(module))


def external(ptx: str) -> list[str]:
    """The functions of libdevice that code calls and does not contain."""
    return sorted(set(re.findall(r"\.extern \.func[^;]*?\b(__nv_\w+)", ptx)))


def _naming_external(ptx: str) -> str:
    names = external(ptx)
    if not names:
        return ptx
    return f"// CUDA's libdevice was not found. To be linked with it, for: {', '.join(names)}\n{ptx}"


@cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    with _lock:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    return llvm


@cache
def _machine(cpu: str) -> Any:
    return _llvm().Target.from_triple(_TRIPLE).create_target_machine(cpu=cpu, opt=2)


def refuse(module: Any) -> None:
    """Raise `CodegenError` for the first thing in a parsed module that is not known to work on GPUs."""
    for function in module.functions:
        if function.is_declaration:
            _refuse_external(function.name)
        elif not _PTX_NAME.fullmatch(function.name):
            raise CodegenError(f"the function's name {function.name!r} is no name in PTX; use letters, digits, _ and $")
    # As LLVM prints it: one instruction a line, every type written out.
    for line in str(module).splitlines():
        bare = _QUOTED.sub('""', line.partition(" ;")[0])
        problem = _problem(bare)
        if problem:
            raise CodegenError(f"GPUs: {problem}: {line.strip()}")


def _refuse_external(name: str) -> None:
    if any(known.fullmatch(name) for known in (_INTRINSIC, _REGISTER, _LIBDEVICE)):
        return
    c_name = name.removeprefix("llvm.").split(".")[0]
    kind = "f" if name.endswith(".f32") else ""
    raise CodegenError(
        f"GPUs have no {name}: call a function of libdevice instead, as __nv_{_RENAMED.get(c_name, c_name)}{kind}"
    )


def _problem(line: str) -> str | None:
    if not line or line.startswith(("source_filename", "target ", "attributes ", "!", ";", "declare ")):
        return None
    if _BAD_TYPES.search(line):
        return "no such type"
    if any(space not in ("0", "1", "3", "4", "5") for space in _SPACE.findall(line)):
        return "no such address space"
    if line.startswith("@"):
        if re.search(r"= .*\b(?:alias|ifunc|thread_local)\b", line):
            return "no aliases and no thread-local variables"
        if re.search(r"addrspace\(3\).*\b(?:zeroinitializer|c\"|\[|\{)", line.partition("global ")[2]):
            return "shared memory has no initial value"
        return None
    instruction = _INSTRUCTION.match(line)
    if instruction is None:
        return None
    name, rest = instruction.groups()
    if name in _BAD_INSTRUCTIONS:
        return _BAD_INSTRUCTIONS[name]
    if name in ("load", "store") and rest.startswith(" atomic"):
        return "no atomic operations"
    if name == "alloca" and _DYNAMIC.search(rest):
        return "local memory is of fixed size"
    if name == "call" and _CALL_BY_ADDRESS.match(rest):
        return "no calls by address"
    if "musttail" in line:
        return "no guaranteed tail calls"
    return None


@cache
def find_libdevice() -> Path | None:
    """The file of NVIDIA's mathematical functions, from a CUDA toolkit or from a package of NVIDIA's."""
    roots = [Path(os.environ[name]) for name in ("CUDA_HOME", "CUDA_PATH", "CONDA_PREFIX") if os.environ.get(name)]
    packages = [*site.getsitepackages(), site.getusersitepackages(), *sys.path]
    for folder in dict.fromkeys(filter(None, packages)):
        roots += sorted(Path(folder, "nvidia").glob("*"))
    roots += [Path(sys.prefix), Path("/usr/local/cuda"), Path("/opt/cuda"), Path("/usr/lib/cuda")]
    for root in roots:
        path = root / "nvvm" / "libdevice" / "libdevice.10.bc"
        try:
            if path.is_file():
                return path
        except OSError:
            continue
    return None


def _link_libdevice(llvm: Any, module: Any, context: Any, path: Path | None) -> None:
    if path is None:
        return
    wanted = {f.name for f in module.functions if f.is_declaration and _LIBDEVICE.fullmatch(f.name)}
    try:
        library = llvm.parse_bitcode(path.read_bytes(), context)
    except (OSError, RuntimeError) as error:
        raise CodegenError(f"libdevice at {path} can't be read: {error}") from None
    # Closed at once, also when something is refused: a module must not outlive its context.
    with library:
        given = {f.name for f in library.functions if not f.is_declaration}
        if wanted - given:
            raise CodegenError(f"libdevice has no {', '.join(sorted(wanted - given))}")
        # LLVM's linker takes a declaration of another type for the same function.
        types = {f.name: str(f.global_value_type) for f in library.functions if f.name in wanted}
        for function in module.functions:
            declared = str(function.global_value_type)
            if function.name in wanted and declared != types[function.name]:
                raise CodegenError(f"{function.name} is declared as {declared}, not {types[function.name]}")
        library.triple, library.data_layout = module.triple, module.data_layout
        module.link_in(library)
    for function in module.functions:
        if function.name in given:
            function.linkage = "internal"
