"""Policies: packs as files, and every policy that ever decided, byte for byte, in the database."""

from __future__ import annotations

import difflib
import functools
import hashlib
import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import scalar_row

from limits.errors import InputError, NotFound, PolicyError
from limits.policy import Policy, parse_policy
from limits.store.queries import query

#: A policy is a page that people read; anything much larger is some other file.
LARGEST_FILE = 64 * 1024

#: What a pack may be called: nothing in it is part of a path.
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")

#: Hexadecimal digits of a hash, and how many of them say which is meant, at least.
HASH_DIGITS, FEWEST_DIGITS = 64, 4


def pack_names() -> list[str]:
    """The packs that come with the product."""
    return sorted(path.name for path in _shipped().iterdir() if _NAME.fullmatch(path.name) and path.is_dir())


def read_shipped(name: str) -> list[Policy]:
    """The policies of a pack that comes with the product, oldest first; NotFound for any other name.

    For names from whoever speaks HTTP: no path is ever looked at.
    """
    found = [policy for policy in shipped() if policy.pack == name]
    if not found:
        raise NotFound(f"no pack {name[:80]!r} comes with the product; there is {', '.join(pack_names())}")
    return found


@functools.cache
def shipped() -> tuple[Policy, ...]:
    """Every policy that comes with the product, by pack and date."""
    return tuple(policy for name in pack_names() for policy in read_pack(name))


def read_pack(name: str) -> list[Policy]:
    """The policies of a pack, oldest first: a shipped pack by name, a TOML file, or a folder of them.

    PolicyError names what cannot be read, and every mistake with file and line.
    """
    return [policy for _, policy in read_pack_files(name)]


def read_pack_files(name: str) -> list[tuple[str, Policy]]:
    """The policies of a pack as ``read_pack``, each with the name of its file."""
    if _is_shipped(name):
        files: list[Traversable] = list((_shipped() / name).iterdir())
    else:
        try:
            path = Path(name or "no policy").expanduser()
            files = list(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
            there = bool(files) or path.is_dir()
        except (OSError, RuntimeError, ValueError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise PolicyError(f"cannot read the policy {name[:80]!r}: {words}; name another") from error
        if not there:
            near = difflib.get_close_matches(name.lower(), pack_names(), n=1)
            raise PolicyError(
                f"there is no policy {name[:80]!r}: name a pack ({', '.join(pack_names())}), a TOML file or a folder "
                "of them" + (f"; did you mean {near[0]!r}?" if near else "")
            )
    wanted = sorted((file for file in files if file.name.endswith(".toml")), key=lambda file: file.name)
    if not wanted:
        raise PolicyError(f"{name} holds no policy; a policy is a file that ends in .toml")
    found = [(file.name, read_policy(file)) for file in wanted]
    _check_history(name, [policy for _, policy in found])
    return sorted(found, key=lambda pair: pair[1].effective_on)


def lasting_name(name: str) -> str:
    """The name by which a pack is found from any folder: a path is made absolute, a shipped pack keeps its name."""
    return name if _is_shipped(name) else str(Path(name).expanduser().absolute())


def read_policy(file: Traversable) -> Policy:
    """One policy file."""
    try:
        body = file.read_bytes()
    except OSError as error:
        raise PolicyError(f"cannot read {file}: {error.strerror or error}") from error
    if len(body) > LARGEST_FILE:
        raise PolicyError(f"{file} has {len(body):,} bytes; a policy has at most {LARGEST_FILE:,}")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise PolicyError(f"{file}:{line}: not UTF-8; save the file as UTF-8") from error
    if text.startswith("\ufeff"):
        raise PolicyError(f"{file}:1: the file begins with a byte order mark; save it as UTF-8 without one")
    return parse_policy(text, file=str(file))


def read_text(text: str, *, name: str) -> Policy:
    """The policy in a text that somebody sends; ``name`` is what its mistakes are told under."""
    size = len(text.encode("utf-8", "replace"))
    if size > LARGEST_FILE:
        raise PolicyError(f"{name} has {size:,} bytes; a policy has at most {LARGEST_FILE:,}")
    return parse_policy(text, file=name)


def _is_shipped(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and (_shipped() / name).is_dir()


def _check_history(name: str, history: list[Policy]) -> None:
    packs = {policy.pack for policy in history}
    if len(packs) > 1:
        raise PolicyError(f"{name} mixes the packs {', '.join(sorted(packs))}; keep each in a folder of its own")
    dates = [policy.effective_on for policy in history]
    for date in dates:
        if dates.count(date) > 1:
            raise PolicyError(f"{name} has {dates.count(date)} policies effective on {date}; keep one")


def _shipped() -> Traversable:
    return resources.files("limits") / "policies"


def store_policy(conn: psycopg.Connection[Any], policy: Policy, actor: str) -> bytes:
    """Keeps the policy's text under its hash, and returns the hash."""
    parameters = {
        "policy_hash": policy.policy_hash,
        "pack": policy.pack,
        "effective_on": policy.effective_on,
        "body": policy.body,
        "actor": actor,
    }
    conn.execute(query("policy_store"), parameters)
    return policy.policy_hash


def load_policy(conn: psycopg.Connection[Any], policy_hash: bytes) -> str:
    """The text of a policy by its hash."""
    with conn.cursor(row_factory=scalar_row) as cursor:
        body = cursor.execute(query("policy_load"), {"policy_hash": policy_hash}).fetchone()
    if body is None:
        raise NotFound(f"no policy {policy_hash.hex()} is kept in the database")
    if hashlib.sha256(body.encode()).digest() != bytes(policy_hash):
        raise PolicyError(f"the policy kept as {policy_hash.hex()} has another text than that hash; nothing may use it")
    return str(body)


def named(conn: psycopg.Connection[Any], name: str) -> tuple[bytes, ...]:
    """The hashes of the policies kept in the database that a name means: those of a pack, or one by its first digits.

    NotFound where there is none, InputError where digits begin several.
    """
    digits = name.lower() if re.fullmatch(rf"[0-9a-fA-F]{{{FEWEST_DIGITS},{HASH_DIGITS}}}", name) else None
    bounds = [None if digits is None else bytes.fromhex(digits.ljust(HASH_DIGITS, fill)) for fill in "0f"]
    parameters = {"pack": name, "low": bounds[0], "high": bounds[1]}
    rows = conn.execute(query("policy_named"), parameters).fetchall()
    of_pack = tuple(bytes(policy_hash) for policy_hash, pack, _ in rows if pack == name)
    found = of_pack or tuple(bytes(policy_hash) for policy_hash, *_ in rows)
    if not found:
        raise NotFound(
            f"the database keeps no policy of the pack {name[:80]!r}, nor one whose hash begins so "
            f"({FEWEST_DIGITS} digits at least); limits policy history has them"
        )
    if not of_pack and len(found) > 1:
        raise InputError(
            f"{name} begins the hashes of several policies, such as {found[0].hex()} and {found[1].hex()}; "
            "give more digits"
        )
    return found
