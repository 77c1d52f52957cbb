"""Checkpoints of the log: what all of it comes to at one moment, signed. Text in, text out; no file is read here.

A checkpoint is a note in the public signed-note format. What is signed ends before the empty line:

    limits log <identity of the database>
    <tree_size>
    <base64 of the root>
    entries <n>
    at 2026-11-29T13:01:30.000000Z
    previous <sha256 of the whole note before it; 64 zeros for the first>

    — <key name> <base64 of the key's hash and the Ed25519 signature>

The key's hash is the first 4 bytes of SHA-256(name || 0x0A || 0x01 || public key). A file of
checkpoints is the notes one after another, each followed by an empty line. It is UTF-8 with
LF at the end of each line: open it with ``newline="\\n"``.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from limits.errors import CheckpointError, InputError
from limits.merkle import HASH_BYTES
from limits.record_text import COUNT, DIGEST, INSTANT, Lines, base64_parsed, parsed, written

#: What stands before the first checkpoint.
ZEROS = bytes(HASH_BYTES)

_ED25519 = b"\x01"  # of the kinds of keys of signed notes
_KEY_BYTES, _HASH_OF_KEY_BYTES, _SIGNATURE_BYTES = 32, 4, 64
_PRIVATE = "PRIVATE+KEY+"

_IDENTITY = re.compile(r"[!-~]+")
_NAME = re.compile(r"[!-*,-~]+")  # printable ASCII without space and +
_SIGNATURE = re.compile(r"— ([!-*,-~]+) ([A-Za-z0-9+/=]+)")
_COUNT = re.compile(r"[0-9]{1,19}")
_LAST_LINES: Lines = (("entries", COUNT), ("at", INSTANT), ("previous", DIGEST))


# Keys -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whose signatures are trusted. InputError for a name with spaces or +, and for what is no key."""

    name: str
    key: bytes

    def __post_init__(self) -> None:
        _check_key(self.name, self.key, "public")

    @property
    def hash(self) -> bytes:
        """The 4 bytes by which a signature names its key."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.key).digest()[:_HASH_OF_KEY_BYTES]

    @property
    def key_id(self) -> str:
        """Name and hash, as the line of a file begins."""
        return f"{self.name}+{self.hash.hex()}"

    def write(self) -> str:
        """The line of a file of public keys, without its end."""
        return f"{self.key_id}+{_base64(_ED25519 + self.key)}"

    @classmethod
    def parse(cls, line: str) -> Self:
        """The key of a line that ``write`` gives back; InputError for any other."""
        public = cls(*_parse_key(line, "public"))
        if public.write() != line:
            raise InputError(
                f"the line of public key {public.name!r} does not hold together; copy it anew from its maker"
            )
        return public


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """Who signs. ``seed``: 32 bytes that nobody can guess, ``secrets.token_bytes(32)`` to make a new pair."""

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _check_key(self.name, self.seed, "private")

    @property
    def public(self) -> PublicKey:
        """The key to check with what this one signs."""
        return PublicKey(self.name, Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """The signature of a text, 64 bytes."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())

    def write(self) -> str:
        """The line of a file of private keys, without its end: a secret."""
        return f"{_PRIVATE}{self.public.key_id}+{_base64(_ED25519 + self.seed)}"

    @classmethod
    def parse(cls, line: str) -> Self:
        """The key of a line that ``write`` gives back; InputError, without the line in it, for any other."""
        if not line.startswith(_PRIVATE):
            raise InputError(f"a private key begins with {_PRIVATE}")
        private = cls(*_parse_key(line.removeprefix(_PRIVATE), "private"))
        if private.write() != line:
            raise InputError(f"the line of private key {private.name!r} does not hold together: it was altered")
        return private


def _check_key(name: str, key: bytes, kind: str) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(f"the name of a key must be printable ASCII without spaces and +; it is {name!r}")
    if len(key) != _KEY_BYTES:
        raise InputError(f"{kind} key {name!r} has {len(key)} bytes; it must have {_KEY_BYTES}")


def _parse_key(line: str, kind: str) -> tuple[str, bytes]:
    """Name and key; their hash is for the caller to compare."""
    parts = line.split("+", 2)
    try:
        name, _, text = parts
        data = base64_parsed(text)
    except ValueError:
        raise InputError(f"a {kind} key must be a line of name, hash and key in base64, joined by +") from None
    if data[:1] != _ED25519:
        raise InputError(f"{kind} key {name!r} is not for Ed25519")
    return name, data[1:]


def read_public_keys(text: str) -> list[PublicKey]:
    """The keys of a file of public keys, one a line. InputError names the line that is none, or stands there twice."""
    keys: list[PublicKey] = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        try:
            key = PublicKey.parse(line)
        except InputError as error:
            raise InputError(f"line {number} of the public keys: {error}") from None
        if key in keys:
            raise InputError(f"line {number} of the public keys is there before; remove it")
        keys.append(key)
    return keys


def write_public_keys(keys: Iterable[PublicKey]) -> str:
    """The file that ``read_public_keys`` reads."""
    return "".join(f"{key.write()}\n" for key in keys)


# Notes ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed.

    identity   of the database, printable ASCII without spaces
    tree_size  leaves of the log's tree: batches, and the origin
    root       of that tree, 32 bytes
    entries    of all those batches
    at         when it was made, UTC
    previous   digest of the note before it; ZEROS for the first
    """

    identity: str
    tree_size: int
    root: bytes
    entries: int
    at: dt.datetime
    previous: bytes

    def write(self) -> str:
        """The text that is signed. CheckpointError for a value that cannot stand in it."""
        try:
            if not _IDENTITY.fullmatch(self.identity):
                raise ValueError(f"the identity must be printable ASCII without spaces; it is {self.identity!r}")
            if len(self.root) != HASH_BYTES:
                raise ValueError(f"the root must have {HASH_BYTES} bytes")
            last = {name: getattr(self, name) for name, _ in _LAST_LINES}
            first = f"limits log {self.identity}\n{COUNT.write(self.tree_size)}\n{_base64(self.root)}\n"
            return first + written(_LAST_LINES, last)
        except ValueError as error:
            raise CheckpointError(f"what must be signed: {error}") from None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The checkpoint of a text that ``write`` gives back; CheckpointError for any other."""
        lines = text.split("\n", 3)
        try:
            if len(lines) != 4 or not lines[0].startswith("limits log "):
                raise ValueError("line 1 must begin with 'limits log', and six lines must stand there")
            if not _COUNT.fullmatch(lines[1]):
                raise ValueError("line 2 must be the size of the tree")
            last = parsed(_LAST_LINES, lines[3], first=4)
            found = cls(lines[0].removeprefix("limits log "), int(lines[1]), base64_parsed(lines[2]), **last)
        except ValueError as error:
            raise CheckpointError(f"a checkpoint that cannot be read: {error}") from None
        if found.write() != text:
            raise CheckpointError("a checkpoint that is not written as it must be")
        return found


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as a note carries it: name and hash of its key, and 64 bytes."""

    name: str
    key_hash: bytes
    signature: bytes

    def write(self) -> str:
        """The line of a note, without its end."""
        return f"— {self.name} {_base64(self.key_hash + self.signature)}"

    @classmethod
    def parse(cls, line: str) -> Self:
        """The signature of a line that ``write`` gives back; CheckpointError for any other."""
        found = _SIGNATURE.fullmatch(line)
        try:
            data = base64_parsed(found[2]) if found else b""
        except ValueError:
            data = b""
        if found is None or len(data) != _HASH_OF_KEY_BYTES + _SIGNATURE_BYTES:
            raise CheckpointError(f"a checkpoint has a line of signature that is none: {line[:80]!r}")
        return cls(found[1], data[:_HASH_OF_KEY_BYTES], data[_HASH_OF_KEY_BYTES:])


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint with the signatures it carries, which nobody has checked yet."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]

    def write(self) -> str:
        """The whole note."""
        return f"{self.checkpoint.write()}\n" + "".join(f"{one.write()}\n" for one in self.signatures)


def sign(checkpoint: Checkpoint, keys: Sequence[PrivateKey]) -> str:
    """The whole note, signed by each key: by one, or by the old and the new one where the new one is introduced."""
    if not keys:
        raise CheckpointError("a checkpoint without a key to sign it")
    text = checkpoint.write()
    signatures = tuple(Signature(key.name, key.public.hash, key.sign(text)) for key in keys)
    return parse(Note(checkpoint, signatures).write()).write()


def parse(note: str) -> Note:
    """The parts of a whole note. CheckpointError where it is not written as it must be; no signature is checked."""
    text, empty, rest = note.partition("\n\n")
    if not empty or not rest.endswith("\n"):
        raise CheckpointError(
            "a checkpoint that is cut off: its signatures, or the end of their last line, are missing"
        )
    signatures = tuple(Signature.parse(line) for line in rest.removesuffix("\n").split("\n"))
    names = [(one.name, one.key_hash) for one in signatures]
    if len(set(names)) < len(names):
        raise CheckpointError("a checkpoint that one key has signed twice")
    return Note(Checkpoint.parse(f"{text}\n"), signatures)


def verify(note: str, public_keys: Iterable[PublicKey]) -> tuple[Checkpoint, tuple[PublicKey, ...]]:
    """The checkpoint, and those of the keys that have signed it, at least one.

    Signatures by keys that are not among these say nothing. CheckpointError where no key of
    these has signed, or a signature in the name of one of them is not its own.
    """
    found = parse(note)
    text = found.checkpoint.write().encode()
    known = {(key.name, key.hash): key for key in public_keys}
    signers = []
    for one in found.signatures:
        key = known.get((one.name, one.key_hash))
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.key).verify(one.signature, text)
        except InvalidSignature:
            raise CheckpointError(
                f"the checkpoint of {found.checkpoint.tree_size} batches is not what key {key.key_id} signed"
            ) from None
        signers.append(key)
    if not signers:
        names = ", ".join(f"{one.name}+{one.key_hash.hex()}" for one in found.signatures)
        raise CheckpointError(f"the checkpoint is signed by {names} and by none of the keys that are trusted")
    return found.checkpoint, tuple(signers)


def digest(note: str) -> bytes:
    """The sha256 of a whole note: what the next checkpoint names as ``previous``."""
    return hashlib.sha256(note.encode()).digest()


def join(notes: Iterable[str]) -> str:
    """The file of these notes."""
    return "".join(f"{note}\n" for note in notes)


def split(lines: Iterable[str]) -> Iterator[str]:
    """The notes of a file, read line by line. CheckpointError for a last one that is cut off."""
    note: list[str] = []
    empty_lines = 0
    for line in lines:
        empty_lines += line == "\n"
        if empty_lines == 2:
            yield "".join(note)
            note, empty_lines = [], 0
        else:
            note.append(line)
    if note:
        raise CheckpointError("the last checkpoint of the file is cut off: no empty line follows it")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
