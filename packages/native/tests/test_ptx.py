"""The same text language becomes PTX, and what would end the process there is refused."""

import re
import shutil
import subprocess

import pytest

from evolvent_native import _ptx
from evolvent_native._machine import CodegenError
from evolvent_native._ptx import find_libdevice, to_ptx

pytest.importorskip("llvmlite")

KERNEL = """
declare double @__nv_pow(double, double)
declare double @llvm.sqrt.f64(double)
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ntid.x()

define ptx_kernel void @growth(ptr %x, double %power, i32 %count) {
entry:
  %thread = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %block = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %width = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
  %before = mul i32 %block, %width
  %i = add i32 %before, %thread
  %inside = icmp slt i32 %i, %count
  br i1 %inside, label %work, label %done
work:
  %j = sext i32 %i to i64
  %place = getelementptr double, ptr %x, i64 %j
  %v = load double, ptr %place
  %w = call double @__nv_pow(double %v, double %power)
  %m = fmul double %w, %v
  %s = fadd double %m, 1.0
  %r = call double @llvm.sqrt.f64(double %s)
  store double %r, ptr %place
  br label %done
done:
  ret void
}
"""
BODY = "define ptx_kernel void @k(ptr %x, double %v, i64 %n) {{\n{}\n  ret void\n}}\n"

needs_ptxas = pytest.mark.skipif(shutil.which("ptxas") is None, reason="ptxas is not installed")
needs_libdevice = pytest.mark.skipif(find_libdevice() is None, reason="no CUDA toolkit with libdevice is installed")


@pytest.fixture
def without_libdevice(monkeypatch):
    monkeypatch.setattr(_ptx, "find_libdevice", lambda: None)


def assemble(ptx, folder, *options, cpu="sm_80"):
    source = folder / "kernel.ptx"
    source.write_text(ptx)
    command = ["ptxas", f"-arch={cpu}", *options, str(source), "-o", str(folder / "kernel.cubin")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "kernel.cubin").stat().st_size > 0


def test_kernels_are_entries(without_libdevice):
    """A kernel is an entry for the wanted kind of GPU; libdevice's functions stay external where there is none."""
    ptx = to_ptx(KERNEL, "sm_75")
    assert ".visible .entry growth(" in ptx
    assert ".target sm_75" in ptx
    assert re.search(r"\.extern \.func .*__nv_pow", ptx)


def test_operations_are_rounded_one_by_one(without_libdevice):
    """A product and a sum are contracted only where the text says so, and ptxas is told so too."""
    strict = to_ptx(KERNEL)
    assert "mul.rn.f64" in strict
    assert "add.rn.f64" in strict
    assert "fma.rn.f64" not in strict
    assert "sqrt.rn.f64" in strict
    loose = KERNEL.replace("fmul double", "fmul contract double").replace("fadd double", "fadd contract double")
    assert "fma.rn.f64" in to_ptx(loose)


@needs_ptxas
def test_external_functions_assemble(without_libdevice, tmp_path):
    """Code with external functions assembles to an object for linking."""
    assemble(to_ptx(KERNEL), tmp_path, "-c")


@needs_libdevice
def test_libdevice_is_linked():
    """With libdevice nothing is left external, and nothing that isn't used is brought along."""
    ptx = to_ptx(KERNEL)
    assert ".extern" not in ptx
    assert "__nvvm_reflect" not in ptx
    assert set(re.findall(r"\.func .*?(__\w+)\s*\(", ptx, re.DOTALL)) <= {"__internal_accurate_pow", "__nv_pow"}


@needs_libdevice
@needs_ptxas
@pytest.mark.parametrize("cpu", ["sm_75", "sm_80", "sm_90"])
def test_whole_code_assembles(tmp_path, cpu):
    """Code linked with libdevice assembles whole."""
    assemble(to_ptx(KERNEL, cpu), tmp_path, cpu=cpu)


@needs_libdevice
@pytest.mark.parametrize("kind", ["double", "float"])
def test_functions_of_libdevice(kind):
    """Every elementary function of the array standard is there under its name of C."""
    names = "exp expm1 log log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh"
    ending = "" if kind == "double" else "f"
    text = "".join(f"declare {kind} @__nv_{name}{ending}({kind})\n" for name in names.split())
    text += "".join(f"declare {kind} @__nv_{name}{ending}({kind}, {kind})\n" for name in ("atan2", "hypot", "fmod"))
    lines = [f"  %v0 = load {kind}, ptr %x"]
    lines += [f"  %v{i + 1} = call {kind} @__nv_{n}{ending}({kind} %v{i})" for i, n in enumerate(names.split())]
    last = len(names.split())
    for i, name in enumerate(("atan2", "hypot", "fmod"), last):
        lines.append(f"  %v{i + 1} = call {kind} @__nv_{name}{ending}({kind} %v{i}, {kind} %v0)")
    lines.append(f"  store {kind} %v{last + 3}, ptr %x")
    assert ".extern" not in to_ptx(text + BODY.format("\n".join(lines)))


@needs_libdevice
def test_wrong_use_of_libdevice(tmp_path):
    """Functions that libdevice lacks or has with other types, and a file that isn't it, are refused."""
    with pytest.raises(CodegenError, match="libdevice has no __nv_nonsense"):
        to_ptx(KERNEL.replace("__nv_pow", "__nv_nonsense"))
    with pytest.raises(CodegenError, match="__nv_pow is declared as"):
        to_ptx("declare float @__nv_pow(float)\n" + BODY.format("  %w = call float @__nv_pow(float 1.0)"))
    for content in (b"", b"not bitcode", find_libdevice().read_bytes()[:1000]):
        (tmp_path / "libdevice.bc").write_bytes(content)
        with pytest.raises(CodegenError, match="can't be read"):
            to_ptx(KERNEL, libdevice=tmp_path / "libdevice.bc")


def test_where_libdevice_is_looked_for(tmp_path, monkeypatch):
    """CUDA_HOME comes first, then packages of NVIDIA's."""
    for kind in ("toolkit", "site/nvidia/cuda_nvcc"):
        folder = tmp_path / kind / "nvvm" / "libdevice"
        folder.mkdir(parents=True)
        (folder / "libdevice.10.bc").write_bytes(b"")
    for name in ("CUDA_HOME", "CUDA_PATH", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_ptx.site, "getsitepackages", lambda: [str(tmp_path / "site")])
    find_libdevice.cache_clear()
    assert find_libdevice().is_relative_to(tmp_path / "site")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "toolkit"))
    find_libdevice.cache_clear()
    assert find_libdevice().is_relative_to(tmp_path / "toolkit")
    find_libdevice.cache_clear()


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("llvm.pow.f64", "__nv_pow"),
        ("llvm.exp.f64", "__nv_exp"),
        ("llvm.sin.f64", "__nv_sin"),
        ("llvm.maximum.f64", "__nv_fmax"),
        ("llvm.log.f32", "__nv_logf"),
        ("pow", "__nv_pow"),
        ("llvm.nvvm.barrier0", "GPUs have no"),
        ("llvm.sqrt.f128", "no llvm"),
    ],
)
def test_functions_that_gpus_lack(name, instead):
    """Functions and intrinsics outside libdevice and the known list are refused, and what to call is named."""
    kind = {"f32": "float", "128": "fp128"}.get(name[-3:], "double")
    value = {"float": "1.0", "fp128": "undef", "double": "%v"}[kind]
    two = ("pow" in name or "maximum" in name) * 2 or 1
    call = f"call {kind} @{name}({', '.join([f'{kind} {value}'] * two)})"
    text = f"declare {kind} @{name}({', '.join([kind] * two)})\n" + BODY.format(f"  %w = {call}")
    if "barrier" in name:
        text = f"declare void @{name}()\n" + BODY.format(f"  call void @{name}()")
    with pytest.raises(CodegenError, match=instead):
        to_ptx(text)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("  %w = frem double %v, 2.0", "__nv_fmod"),
        ("  %w = frem <2 x double> <double 1.0, double 2.0>, <double 2.0, double 2.0>", "__nv_fmod"),
        ("  %w = atomicrmw fadd ptr %x, double %v seq_cst", "atomic"),
        ("  %w = load atomic i64, ptr %x seq_cst, align 8", "atomic"),
        ("  fence seq_cst", "atomic"),
        ("  %w = alloca double, i64 %n", "fixed size"),
        ("  %w = fpext double %v to fp128", "no such type"),
        ("  %w = fptrunc double %v to half", "no such type"),
        ("  %w = sext i64 %n to i256", "no such type"),
        ("  %w = call double %x(double %v)", "by address"),
        ("  %w = addrspacecast ptr %x to ptr addrspace(77)", "address space"),
        ('  call void asm sideeffect "nonsense", ""()', "not taken"),
    ],
)
def test_instructions_that_gpus_lack(line, why):
    """What LLVM would end the process for, or GPUs do differently, is refused and quoted."""
    with pytest.raises(CodegenError, match=why):
        to_ptx(BODY.format(line))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("@t = thread_local global double 0.0\n", "thread-local"),
        ("@t = global double 0.0\n@a = alias double, ptr @t\n", "alias"),
        ('define void @"a name"() {\n  ret void\n}\n', "no name in PTX"),
        ('target triple = "x86_64-unknown-linux-gnu"\n', "the code is for x86_64"),
        ("define void @f() {\n  ret i32\n}\n", "could not read"),
        ("define void @f() {\na:\n  br label %b\nb:\n  %x = phi i32 [%x, %a]\n  ret void\n}\n", "verifier"),
    ],
)
def test_modules_that_are_refused(text, why):
    """Globals, names, targets and plain mistakes are refused as politely."""
    with pytest.raises(CodegenError, match=why):
        to_ptx(text + BODY.format(""))


def test_names_and_comments_do_not_matter(without_libdevice):
    """Values may be called as what is refused."""
    body = "  %frem = fadd double %v, 1.0 ; frem\n  %half = fmul double %frem, %v\n  store double %half, ptr %x"
    assert ".entry k(" in to_ptx(BODY.format(body))


def test_unknown_gpus():
    """A GPU that LLVM doesn't know is an error with its name."""
    with pytest.raises(ValueError, match="cpu is 'sm_1'"):
        to_ptx(KERNEL, "sm_1")
