"""The entry for GPUs: a kernel of which each thread runs one trajectory.

``evolvent_many(void **first, int64 *strides, int64 low, int64 high, char *workspace, int64 size)`` is a kernel. Thread
number i runs trajectory ``k = low + i`` if that is below `high`: address j of its table is ``first[j] + k strides[j]``,
and its workspace the `size` bytes at ``workspace + i size``. The two arrays have an item for each address of the table,
the workspace's among them, which is not looked at.
"""

from __future__ import annotations

from .._builder import Function, Module
from .._graph import INT

WORKSPACE = 2  # its place in the table
_REGISTER = "llvm.nvvm.read.ptx.sreg"
_GLOBAL = "ptr addrspace(1)"


def write_kernel(module: Module, name: str, entry: str, entries: int) -> None:
    """Write a kernel that calls `entry` with a table of so many addresses."""
    names = ["%first", "%strides", "%low", "%high", "%workspace", "%size"]
    kinds = ["ptr", "ptr", "i64", "i64", "ptr", "i64"]
    # The calling convention stands ahead of what is returned.
    f = Function(module, name, list(zip(kinds, names, strict=True)), "ptx_kernel void", internal=False)
    width = f.emit(f"mul i64 {_number(f, 'ctaid.x')}, {_number(f, 'ntid.x')}")
    i = f.emit(f"add i64 {width}, {_number(f, 'tid.x')}")
    k = f.emit(f"add i64 {i}, %low")
    with f.when(f.emit(f"icmp slt i64 {k}, %high")):
        table = f.alloca("ptr", entries)
        for j in range(entries):
            if j == WORKSPACE:
                address = f.emit(f"getelementptr i8, ptr %workspace, i64 {f.emit(f'mul i64 {i}, %size')}")
            else:
                start, stride = f.load(INT, "%first", j), f.load(INT, "%strides", j)
                far = f.emit(f"add i64 {start}, {f.emit(f'mul i64 {stride}, {k}')}")
                # Said to be the device's memory, it is read without finding out which memory it is.
                far = f.emit(f"inttoptr i64 {far} to {_GLOBAL}")
                address = f.emit(f"addrspacecast {_GLOBAL} {far} to ptr")
            f.void(f"store ptr {address}, ptr {f.at('ptr', table, j)}, align 8")
        f.emit(f"call i64 @{entry}(ptr {table})")
    f.returned()


def _number(f: Function, register: str) -> str:
    name = f"{_REGISTER}.{register}"
    f.module.declare(name, "i32", [])
    return f.emit(f"zext i32 {f.emit(f'call i32 @{name}()')} to i64")
