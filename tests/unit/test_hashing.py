"""Many hashes at once: by libcrypto out of compiled code and by hashlib the same, and no code without its libcrypto."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limits import hashing

#: Of one process: whether libcrypto was called, how often the kernel came from the disk, and a hash.
TOLD = """
from limits import hashing
hashed = hashing.hashes(b"\\x00", b"abc", [0, 3]).tobytes().hex()
print(hashing.compiled(), sum(hashing._hash.stats.cache_hits.values()), hashed)
"""
#: As where hashlib is a part of the interpreter itself.
NOT_REACHED = "import _hashlib\ndel _hashlib.__file__\n"
ABC = sha256(b"\x00abc").hexdigest()

reached = pytest.mark.skipif(not hashing._reachable(), reason="this Python does not show its libcrypto")


def both(prefix: bytes, parts: list[bytes]) -> list[list[bytes]]:
    data = np.frombuffer(b"".join(parts), dtype=np.uint8)
    offsets = np.cumsum([0, *map(len, parts)])
    return [[one.tobytes() for one in way(prefix, data, offsets)] for way in (hashing._each, hashing._compiled)]


@reached
@given(st.binary(max_size=2), st.lists(st.binary(max_size=200), max_size=10))
def test_both_ways_come_to_the_same(prefix: bytes, parts: list[bytes]) -> None:
    expected = [sha256(prefix + part).digest() for part in parts]
    assert both(prefix, parts) == [expected, expected]


@reached
def test_every_length_around_the_ends_of_blocks() -> None:
    parts = [bytes([length % 256]) * length for length in range(400)]
    expected = [sha256(b"\x01" + part).digest() for part in parts]
    assert both(b"\x01", parts) == [expected, expected]


@reached
def test_where_libcrypto_is_shown_it_is_called() -> None:
    assert hashing.compiled()


@pytest.mark.parametrize("form", [bytes, memoryview, bytearray, lambda data: np.frombuffer(data, dtype=np.uint8)])
@pytest.mark.parametrize("compiled", [True, False])
def test_whatever_holds_the_bytes(form: type, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not compiled:
        monkeypatch.setattr(hashing, "compiled", lambda: False)
    found = hashing.hashes(b"\x00", form(b"abcabc"), np.array([0, 3, 3, 6]))
    assert [one.tobytes().hex() for one in found] == [ABC, sha256(b"\x00").hexdigest(), ABC]
    assert hashing.hashes(b"\x00", form(b""), np.array([0])).shape == (0, 32)
    assert hashing.hashes(b"\x00", form(b""), np.array([], dtype=np.int64)).shape == (0, 32)
    assert hashing.hashes(b"\x00", form(b""), np.array([0, 0])).tobytes() == sha256(b"\x00").digest()


@pytest.mark.parametrize("offsets", [[-1, 3], [0, 4], [0, 3, 2], [2, 1, 3], [0, 2**62]])
def test_nothing_outside_of_the_bytes_is_read(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="does not ascend within their 3 bytes"):
        hashing.hashes(b"\x00", b"abc", np.array(offsets))


def process(code: str, folder: Path) -> list[str]:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@reached
def test_what_is_kept_on_disk_is_good_for_other_processes_and_never_loaded_without_libcrypto(tmp_path: Path) -> None:
    """It would end the process (SIGSEGV): the names that it calls have no address there."""
    assert process(TOLD, tmp_path) == ["True", "0", ABC]
    assert process(TOLD, tmp_path) == ["True", "1", ABC]
    assert process(NOT_REACHED + TOLD, tmp_path) == ["False", "0", ABC]
    assert process(TOLD, tmp_path) == ["True", "1", ABC]


@reached
def test_another_function_of_that_name_is_found_out_before_it_is_used() -> None:
    code = f"""
import ctypes
from limits import hashing
found = ctypes.CDLL
class Other:
    def __init__(self, name): self.library = found(name)
    def __getattr__(self, name): return getattr(self.library, name.replace("SHA256_Init", "SHA224_Init"))
ctypes.CDLL = Other
{TOLD}"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "1", ABC]


@pytest.mark.parametrize("error", [OSError, AttributeError])
def test_where_libcrypto_is_not_shown_nothing_is_told(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: str) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", none)
    assert not hashing._reachable()
