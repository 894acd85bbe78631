"""Machine code that was made before, in memory and on disk.

The folder is ``$EVOLVENT_CACHE_DIR/native``, or ``evolvent/native`` in the user's folder for caches. Setting
``EVOLVENT_CACHE_DIR`` to nothing or to ``off`` leaves the disk alone. Whatever is wrong with the disk or with an entry,
the answer is that nothing was found; nothing here raises for it.

What is found is executed, so it matters who wrote it. On POSIX systems the folder and each file must belong to the
user and be writable by nobody else. Each entry ends with a code (keyed BLAKE2b) over all that comes before, made with
a random key that only the user can read. That guards against damage, and against entries that somebody else made:
restored from another machine, put there through a share or a container's volume, written by a process that may write
but not read there. It does not guard against those who run programs as the user, or as root: they can read the key,
and don't need it.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import struct
import sys
import threading
import time
from collections import OrderedDict
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import _machine, _vector_functions

__all__ = ["cache_state", "fingerprint", "forget_memory", "lookup", "store"]

MEMORY_BYTES = 64 << 20
DISK_BYTES = 256 << 20
_ENTRY_BYTES = 64 << 20  # larger ones aren't read

# Magic, the caller's key, what made the code, the lengths of the metadata and of the machine code.
_HEADER = struct.Struct("<8s32s32sIQ")
_MAGIC = b"evolvnt1"
_CODE_BYTES = 32
_SUFFIX = ".code"
_KEY_NAME = "key"
_HOUR = 3600.0
_SWEEP_EVERY = 64  # stores

_POSIX = os.name == "posix"
_OPEN = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)

_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
_memory: OrderedDict[bytes, tuple[bytes, bytes]] = OrderedDict()
_stores = 0


class _NotTrusted(OSError):
    """Something that others could have written."""


# -------------------------------------------------------------------- what callers use
def lookup(key: str) -> tuple[bytes, dict[str, Any]] | None:
    """Machine code and its metadata, or None.

    Parameters
    ----------
    key : str
        Names the program: 64 hexadecimal digits.
    """
    name = _name(key)
    with _lock:
        entry = _memory.get(name)
        if entry is not None:
            _memory.move_to_end(name)
    if entry is None:
        folder = _folder()
        if folder is None:
            return None
        try:
            entry = _unpack(_read(folder / (name.hex() + _SUFFIX)), bytes.fromhex(key), _secret(folder))
        except (OSError, ValueError):
            return None
        _remember(name, entry)
    metadata, code = entry
    return code, json.loads(metadata)


def store(key: str, code: bytes, metadata: dict[str, Any] | None = None) -> None:
    """Keep machine code, in memory and, where that works, on disk.

    Parameters
    ----------
    key : str
        Names the program: 64 hexadecimal digits.
    code : bytes
        An object file.
    metadata : dict, optional
        Anything small that JSON can hold.
    """
    name = _name(key)
    entry = json.dumps(metadata or {}, separators=(",", ":")).encode(), bytes(code)
    _remember(name, entry)
    folder = _folder()
    if folder is None:
        return
    try:
        _create(folder)
        _write(folder, name.hex() + _SUFFIX, _pack(entry, bytes.fromhex(key), _secret(folder, create=True)))
    except (OSError, ValueError):
        return
    _sweep_sometimes(folder)


def forget_memory() -> None:
    """Drop what is held in memory; the disk stays."""
    with _lock:
        _memory.clear()


def cache_state() -> str:
    """The folder in use, or why there is none, in words."""
    folder = _folder()
    if folder is None:
        return "machine code is not kept on disk: EVOLVENT_CACHE_DIR says so, or there is no folder for caches"
    try:
        _create(folder)
        _secret(folder, create=True)
        _remove(_new_file(folder, b""))
    except (OSError, ValueError) as error:
        return f"machine code is not kept in {folder}: {error}"
    return f"machine code is kept in {folder}"


# -------------------------------------------------------------------- names
def _made_by() -> bytes:
    """What else machine code depends on: this package, LLVM, the CPU and the C library's functions on vectors."""
    version = getattr(sys.modules.get(__package__ or ""), "__version__", "")
    # repr, not join: the boundaries of the parts count too.
    text = repr((version, *_machine.host(), _vector_functions.variants("sin", 1, 8)))
    return blake2b(text.encode() + fingerprint(__package__ or __name__), digest_size=32).digest()


def _name(key: str) -> bytes:
    try:
        raw = bytes.fromhex(key)
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise ValueError(f"key is {key!r}; expected 64 hexadecimal digits")
    return blake2b(raw + _made_by(), digest_size=20).digest()


def _folder() -> Path | None:
    given = os.environ.get("EVOLVENT_CACHE_DIR")
    if given is not None:
        return None if given.strip().lower() in ("", "off") else Path(given).expanduser().absolute() / "native"
    try:
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA")
            base = Path(local) if local else Path.home() / "AppData" / "Local"
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            given = os.environ.get("XDG_CACHE_HOME", "")
            # The specification has relative paths ignored.
            base = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    except RuntimeError:  # no home
        return None
    return base / "evolvent" / "native"


# -------------------------------------------------------------------- memory
def _remember(name: bytes, entry: tuple[bytes, bytes]) -> None:
    with _lock:
        _memory[name] = entry
        _memory.move_to_end(name)
        size = sum(len(metadata) + len(code) for metadata, code in _memory.values())
        while size > MEMORY_BYTES and len(_memory) > 1:
            _, (metadata, code) = _memory.popitem(last=False)
            size -= len(metadata) + len(code)


# -------------------------------------------------------------------- entries
def _pack(entry: tuple[bytes, bytes], key: bytes, secret: bytes) -> bytes:
    metadata, code = entry
    data = _HEADER.pack(_MAGIC, key, _made_by(), len(metadata), len(code)) + metadata + code
    return data + blake2b(data, key=secret, digest_size=_CODE_BYTES).digest()


def _unpack(data: bytes, key: bytes, secret: bytes) -> tuple[bytes, bytes]:
    if len(data) < _HEADER.size + _CODE_BYTES:
        raise ValueError("too short")
    expected = blake2b(memoryview(data)[:-_CODE_BYTES], key=secret, digest_size=_CODE_BYTES).digest()
    if data[-_CODE_BYTES:] != expected:
        raise ValueError("altered")
    magic, its_key, made_by, metadata_size, code_size = _HEADER.unpack_from(data)
    if (magic, its_key, made_by) != (_MAGIC, key, _made_by()):
        raise ValueError("something else's")
    split = _HEADER.size + metadata_size
    if split + code_size + _CODE_BYTES != len(data):
        raise ValueError("wrong lengths")
    return data[_HEADER.size : split], data[split:-_CODE_BYTES]


# -------------------------------------------------------------------- files
def _own(status: os.stat_result, forbidden: int = 0o022) -> None:
    """Raise unless it belongs to the user and others have no part in it."""
    if _POSIX and (status.st_uid != os.geteuid() or status.st_mode & forbidden):
        raise _NotTrusted("it belongs to, or can be changed by, somebody else")


def _create(folder: Path) -> None:
    try:
        status = os.stat(folder)
    except FileNotFoundError:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        status = os.stat(folder)
    _own(status)


def _read(path: Path, forbidden: int = 0o022) -> bytes:
    # What is opened is what is looked at: between two looks at a path somebody could exchange it.
    handle = os.open(path, _OPEN)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _ENTRY_BYTES:
            raise _NotTrusted("not a file of ours")
        _own(status, forbidden)
        parts = []
        while part := os.read(handle, 1 << 24):
            parts.append(part)
        if path.suffix == _SUFFIX and time.time() - status.st_mtime > _HOUR:
            # What is used is not the oldest. Access times are switched off on many systems.
            with contextlib.suppress(OSError):
                os.utime(path)
        return b"".join(parts)
    finally:
        os.close(handle)


def _new_file(folder: Path, data: bytes) -> Path:
    path = folder / f"{os.urandom(8).hex()}.part"
    handle = os.open(path, _CREATE, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except BaseException:
        _remove(path)
        raise
    return path


def _write(folder: Path, name: str, data: bytes) -> None:
    """Put a whole file in place at once."""
    path = _new_file(folder, data)
    try:
        os.replace(path, folder / name)
    except BaseException:
        _remove(path)
        raise


def _remove(path: str | Path) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _secret(folder: Path, create: bool = False) -> bytes:
    """The key that entries of this folder are signed with."""
    path = folder / _KEY_NAME
    _own(os.stat(folder))
    try:
        secret = _read(path, 0o077)
        if len(secret) == 32:
            return secret
        problem = ValueError("the folder's key is damaged")
    except (FileNotFoundError, _NotTrusted) as error:
        problem = error
    if not create:
        raise problem
    new = _new_file(folder, os.urandom(32))
    try:
        if isinstance(problem, FileNotFoundError):
            # The first of several processes wins.
            try:
                os.link(new, path)
            except FileExistsError:
                pass
            except (OSError, AttributeError, NotImplementedError):
                os.replace(new, path)
        else:
            # Others could have read it, or it is no key: what was signed with it counts no longer.
            os.replace(new, path)
    finally:
        _remove(new)
    secret = _read(path, 0o077)
    if len(secret) != 32:
        raise ValueError("the folder's key is damaged")
    return secret


def _sweep_sometimes(folder: Path) -> None:
    global _stores
    with _lock:
        _stores += 1
        due = _stores % _SWEEP_EVERY == 1
    if due:
        with contextlib.suppress(OSError):
            _sweep(folder)


def _sweep(folder: Path) -> None:
    """Remove what unfinished writers left, and the entries longest unused if there are too many."""
    entries, now = [], time.time()
    with os.scandir(folder) as listing:
        for item in listing:
            if not item.name.endswith((_SUFFIX, ".part")):
                continue
            with contextlib.suppress(OSError):
                status = item.stat(follow_symlinks=False)
                if item.name.endswith(_SUFFIX):
                    entries.append((status.st_mtime, status.st_size, item.path))
                elif now - status.st_mtime > _HOUR:
                    _remove(item.path)
    total = sum(size for _, size, _ in entries)
    if total > DISK_BYTES:
        for _, size, path in sorted(entries):
            _remove(path)
            total -= size
            if total <= 0.75 * DISK_BYTES:
                break


# -------------------------------------------------------------------- fingerprints
def fingerprint(*packages: str) -> bytes:
    """A hash of names, sizes and times of all source files of the named import packages.

    Remembered until the process ends. If a file was changed after the process began, the code in memory may be the
    older one; then the hash is this process's own, and nobody else will ask for what is stored by it.

    Parameters
    ----------
    *packages : str
        Names that can be imported, as ``"evolvent_ode"``.
    """
    together = blake2b(digest_size=32)
    for package in packages:
        together.update(_fingerprint(package))
    return together.digest()


@cache
def _fingerprint(package: str) -> bytes:
    files = sorted(_files(package))
    mark = blake2b(repr((package, [entry[:3] for entry in files])).encode(), digest_size=32)
    if not files or max(changed for *_, changed in files) >= _process_start():
        mark.update(os.urandom(32))
    return mark.digest()


def _files(package: str) -> list[tuple[str, int, int, float]]:
    """Name, size, time of modification (ns), and of the last change of any kind, of each file."""
    module = sys.modules.get(package)
    try:
        spec = getattr(module, "__spec__", None) or find_spec(package)
    except (ImportError, ValueError):
        spec = None
    found: list[tuple[str, int, int, float]] = []
    if spec is None:
        return found
    try:
        for place in spec.submodule_search_locations or ():
            _list(str(place), "", found)
        if spec.has_location and spec.origin:
            found.append(_look(os.path.basename(spec.origin), os.stat(spec.origin)))
    except OSError:  # in an archive, for instance
        return []
    return found


def _look(name: str, status: os.stat_result) -> tuple[str, int, int, float]:
    return name, status.st_size, status.st_mtime_ns, max(status.st_mtime, status.st_ctime)


def _list(folder: str, prefix: str, found: list[tuple[str, int, int, float]]) -> None:
    with os.scandir(folder) as listing:
        for item in listing:
            if item.name.endswith((".py", ".so", ".pyd")):
                found.append(_look(prefix + item.name, item.stat()))
            elif item.name != "__pycache__" and item.is_dir():
                _list(item.path, f"{prefix}{item.name}/", found)


_imported = time.time()


@cache
def _process_start() -> float:
    """When this process began; where that can't be found out, when this module was imported."""
    try:
        status = Path("/proc/self/stat").read_text()
        ticks = int(status.rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        return min(_imported, time.time() - age - 0.1)  # both clocks are coarse
    except (OSError, ValueError, IndexError, AttributeError):
        return _imported
