"""Keys of the sealer as files: the private ones, newest first, and the public ones that others check with."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from limits import checkpoint
from limits.checkpoint import PrivateKey, PublicKey
from limits.errors import CheckpointError, InputError, NotFound, SealError
from limits.store.checkpoint_file import last_note
from limits.store.outside import sync_folder


def read(path: Path) -> list[PrivateKey]:
    """The private keys of a file: the one that signs, and after it the one that it takes the place of.

    NotFound where there is no such file, SealError where it cannot be read. The lines are repeated nowhere.
    """
    try:
        lines = path.read_text(encoding="ascii").removesuffix("\n").split("\n")
        keys = [PrivateKey.parse(line) for line in lines]
    except FileNotFoundError:
        raise NotFound(f"there is no key to sign with at {path}; make one: limits log key new NAME") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SealError(
            f"the key {path} cannot be read: {getattr(error, 'strerror', None) or 'it is no key'}"
        ) from None
    except InputError as error:
        raise SealError(f"the key {path} cannot be used: {error}") from None
    return keys


def new(path: Path, name: str, public_keys: Path) -> PublicKey:
    """Makes a key at a path where nothing is; its public line is added to the file of public keys.

    InputError where there is one, or where it cannot be written.
    """
    key = PrivateKey(name, secrets.token_bytes(32))
    part = _part(path)
    try:
        _make_folder(path.parent)
        if path.exists():
            raise FileExistsError
        _write(part, [key])
        # Before anybody can sign with it, those who check can know it.
        publish(public_keys, [key.public])
        os.link(part, path)  # whole, or not there at all; and never in place of another one
        sync_folder(path.parent)
    except FileExistsError:
        raise InputError(
            f"there is a key at {path} already, and it is never overwritten; to change keys: limits log key rotate NAME"
        ) from None
    except OSError as error:
        raise InputError(f"the key cannot be written to {path}: {error.strerror or error}") from None
    finally:
        _remove(part)
    return key.public


def rotate(path: Path, name: str, public_keys: Path, checkpoints: Path) -> PublicKey:
    """Puts a new key before the one that signs now; the next checkpoint is signed by both, later ones by the new one.

    An older one goes once the newest note in the file of checkpoints is not signed by it: until then it is the one that
    introduces the new key, however often keys are changed. InputError where the new one cannot be written.
    """
    current, *older = read(path)
    kept = [current, *(one for one in older if _may_be_needed(one, checkpoints))]
    key = PrivateKey(name, secrets.token_bytes(32))
    part = _part(path)
    try:
        _write(part, [key, *kept])
        publish(public_keys, [*(one.public for one in kept), key.public])
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"the new key cannot be written to {path}: {error.strerror or error}") from None
    finally:
        _remove(part)
    return key.public


def _may_be_needed(key: PrivateKey, checkpoints: Path) -> bool:
    """Whether the newest note is signed by it, or cannot be read."""
    try:
        signatures = checkpoint.parse(last_note(checkpoints)).signatures
    except (OSError, CheckpointError):
        return True
    return any((one.name, one.key_hash) == (key.public.name, key.public.hash) for one in signatures)


def publish(path: Path, keys: Sequence[PublicKey]) -> None:
    """Adds those public keys to the file that are not in it. InputError where it cannot be written or read."""
    try:
        _make_folder(path.parent)
        with path.open("a+", encoding="ascii", newline="\n") as file:
            file.seek(0)
            text = file.read()
            known = checkpoint.read_public_keys(text) if text else []
            file.write("\n" if text and not text.endswith("\n") else "")  # an editor left the last line open
            file.write(checkpoint.write_public_keys(key for key in keys if key not in known))
            file.flush()
            os.fsync(file.fileno())
    except UnicodeDecodeError:
        raise InputError(f"{path} is no file of public keys; name another one by LIMITS_PUBLIC_KEYS") from None
    except OSError as error:
        raise InputError(f"the public key cannot be added to {path}: {error.strerror or error}") from None


def _part(path: Path) -> Path:
    """The name under which the file is written before it gets its own."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):
        part.unlink(missing_ok=True)


def _write(path: Path, keys: Sequence[PrivateKey]) -> None:
    """Writes a new file that its owner alone can read; it is on the disk when this returns."""
    _remove(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write("".join(f"{key.write()}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())


def _make_folder(folder: Path) -> None:
    """The folder, made for its owner alone where it is not there."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True)
