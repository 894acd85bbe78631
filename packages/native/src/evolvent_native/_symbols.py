"""What an object file needs from outside, read from its symbol table.

A linker that meets a name it can't find stops the process or prints to the console; asked beforehand, it is an error
with the name in it.
"""

from __future__ import annotations

from struct import error as _StructError
from struct import iter_unpack, unpack_from

_ELF_SYMTAB = 2
_MACHO_SYMTAB = 2
_MACHO_TYPE, _MACHO_EXTERNAL = 0x0E, 0x01
_COFF_MACHINES = (0x8664, 0xAA64)
_COFF_EXTERNAL = 2


def undefined_symbols(data: bytes) -> list[str]:
    """Names that the object file `data` leaves to the linker, as the source spells them.

    Reads 64-bit ELF, Mach-O and COFF. Raises `ValueError` for anything else, and for a damaged table.
    """
    try:
        if data[:4] == b"\x7fELF" and data[4] == 2:
            names = _elf(data)
        elif data[:4] == b"\xcf\xfa\xed\xfe":
            # Mach-O puts an underscore before every name of C.
            names = [name.removeprefix(b"_") for name in _macho(data)]
        elif unpack_from("<H", data)[0] in _COFF_MACHINES:
            names = _coff(data)
        else:
            raise ValueError("not an object file of a known format")
        return [name.decode() for name in names]
    except (IndexError, ArithmeticError, UnicodeDecodeError, _StructError) as error:
        raise ValueError(f"damaged object file: {error}") from None


def _string(data: bytes, start: int) -> bytes:
    return data[start : data.index(b"\0", start)]


def _elf(data: bytes) -> list[bytes]:
    order = "<" if data[5] == 1 else ">"
    (table,) = unpack_from(order + "Q", data, 40)
    size, count = unpack_from(order + "HH", data, 58)
    found = []
    for i in range(count):
        kind, _, _, offset, length, link = unpack_from(order + "IQQQQI", data, table + i * size + 4)
        if kind == _ELF_SYMTAB:
            (strings,) = unpack_from(order + "Q", data, table + link * size + 24)
            for name, _, _, section, _, _ in iter_unpack(order + "IBBHQQ", data[offset : offset + length]):
                if name and section == 0:
                    found.append(_string(data, strings + name))
    return found


def _macho(data: bytes) -> list[bytes]:
    (count,) = unpack_from("<I", data, 16)
    at, found = 32, []
    for _ in range(count):
        command, size = unpack_from("<II", data, at)
        if command == _MACHO_SYMTAB:
            offset, number, strings = unpack_from("<III", data, at + 8)
            for name, kind, _, _, _ in iter_unpack("<IBBHQ", data[offset : offset + 16 * number]):
                if kind & _MACHO_EXTERNAL and not kind & _MACHO_TYPE:
                    found.append(_string(data, strings + name))
        at += size
    return found


def _coff(data: bytes) -> list[bytes]:
    offset, number = unpack_from("<II", data, 8)
    strings, i, found = offset + 18 * number, 0, []
    while i < number:
        at = offset + 18 * i
        zero, name, value, section, _, storage, auxiliary = unpack_from("<IIIhHBB", data, at)
        if storage == _COFF_EXTERNAL and section == 0 and value == 0:
            found.append(_string(data, strings + name) if zero == 0 else data[at : at + 8].rstrip(b"\0"))
        i += 1 + auxiliary
    return found
