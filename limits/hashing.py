"""SHA-256 of many messages in one call: of the entries of a batch, and of the nodes of the tree over them.

To call ``hashlib`` takes longer than to hash what an entry has. So compiled code calls the libcrypto that Python's
own ``hashlib`` calls, where it can be reached from there; else ``hashlib`` is called for each message.

The compiled code knows libcrypto's functions by names of our own, so that it can be kept on disk whatever their
addresses are. A process that has not given these names an address must not load it: that would end the process.
Nothing but ``_compiled`` loads it, and ``hashes`` goes there only after ``_reachable``.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
from hashlib import sha256
from typing import Any

import numpy as np
from llvmlite import binding
from numba import types
from numpy.typing import NDArray

from limits.capacity.kernels import kernel
from limits.portfolio import Int

Bytes = NDArray[np.uint8]

_DIGEST_BYTES = 32
#: Room for libcrypto's SHA256_CTX, which has 112 bytes: more than it could ever grow to.
_STATE_BYTES = 1024
#: Around the ends of one block and of two, and as long as an entry: what both ways are compared on.
_TRIED = (0, 1, 54, 55, 56, 62, 63, 64, 65, 118, 119, 127, 128, 320, 1000)

_SYMBOLS = ("SHA256_Init", "SHA256_Update", "SHA256_Final")
_init: Any = types.ExternalFunction("limits_SHA256_Init", types.intc(types.uintp))
_update: Any = types.ExternalFunction("limits_SHA256_Update", types.intc(types.uintp, types.uintp, types.uintp))
_final: Any = types.ExternalFunction("limits_SHA256_Final", types.intc(types.uintp, types.uintp))


def hashes(prefix: bytes, body: bytes | memoryview | Bytes, offsets: Int) -> Bytes:
    """The SHA-256 of n messages (n, 32): message i is the prefix and the bytes offsets[i] to offsets[i + 1].

    ValueError where those do not ascend within the body.
    """
    data = np.frombuffer(body, dtype=np.uint8)
    data.flags.writeable = False  # one kind of array, so that the kernel is compiled once
    offsets = np.ascontiguousarray(offsets, dtype=np.int64)
    if len(offsets) and (offsets[0] < 0 or offsets[-1] > len(data) or (offsets[1:] < offsets[:-1]).any()):
        raise ValueError(f"where the messages begin does not ascend within their {len(data)} bytes")
    return _compiled(prefix, data, offsets) if compiled() else _each(prefix, data, offsets)


@functools.cache
def compiled() -> bool:
    """Whether compiled code calls libcrypto in this process: it is within reach, and comes to what hashlib does."""
    if not _reachable():
        return False
    offsets = np.cumsum([0, *_TRIED])
    data = np.arange(offsets[-1]).astype(np.uint8)
    data.flags.writeable = False
    return all(np.array_equal(_compiled(p, data, offsets), _each(p, data, offsets)) for p in (b"\x00", b"\x01"))


def _each(prefix: bytes, data: Bytes, offsets: Int) -> Bytes:
    """By a call of hashlib for each message."""
    body, begun, found = data.tobytes(), sha256(prefix), bytearray()
    for start, end in itertools.pairwise(offsets.tolist()):
        state = begun.copy()  # a tenth faster than to begin anew
        state.update(body[start:end])
        found += state.digest()
    return np.frombuffer(found, dtype=np.uint8).reshape(-1, _DIGEST_BYTES)


def _compiled(prefix: bytes, data: Bytes, offsets: Int) -> Bytes:
    """By libcrypto, called from compiled code; only where its functions are ``_reachable``."""
    found = np.empty((max(0, len(offsets) - 1), _DIGEST_BYTES), dtype=np.uint8)
    if not _hash(np.frombuffer(prefix, dtype=np.uint8), data, offsets, np.empty(_STATE_BYTES, dtype=np.uint8), found):
        raise RuntimeError("libcrypto did not hash what it was given")
    return found


@kernel
def _hash(prefix: Bytes, data: Bytes, offsets: Int, state: Bytes, found: Bytes) -> bool:
    # Arrays that come from outside: one made in here could be freed as soon as nothing but its address is used.
    at, start, begin, out = state.ctypes.data, prefix.ctypes.data, data.ctypes.data, found.ctypes.data
    good = 1
    for row in range(len(offsets) - 1):
        good &= _init(at)
        good &= _update(at, start, len(prefix))
        good &= _update(at, begin + offsets[row], offsets[row + 1] - offsets[row])
        good &= _final(out + row * 32, at)
    return good == 1


def _reachable() -> bool:
    """Whether the functions of the libcrypto of hashlib have an address, which is then told to compiled code.

    Not those that a Python has built in without showing them, nor of a libcrypto without these functions.
    """
    try:
        import _hashlib

        library = ctypes.CDLL(_hashlib.__file__)
        places = {name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in _SYMBOLS}
    except (ImportError, AttributeError, OSError):
        return False
    for name, place in places.items():
        binding.add_symbol(f"limits_{name}", place)
    return True
