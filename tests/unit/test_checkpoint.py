"""Checkpoints and keys: the text to the letter, who has signed, and what is refused."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import hashlib
import io
from pathlib import Path
from typing import Any

import pytest

from limits import checkpoint
from limits.checkpoint import ZEROS, Checkpoint, PrivateKey, PublicKey
from limits.errors import CheckpointError, InputError

OLD = PrivateKey("lender-2026", bytes(range(32)))
NEW = PrivateKey("lender-2027", bytes(range(1, 33)))
FIRST = Checkpoint(
    identity="7449281234567890123",
    tree_size=201,
    root=bytes([7]) * 32,
    entries=1_000_000,
    at=dt.datetime(2026, 11, 29, 13, 1, 30, tzinfo=dt.UTC),
    previous=ZEROS,
)
TEXT = f"""limits log 7449281234567890123
201
{base64.b64encode(bytes([7]) * 32).decode()}
entries 1000000
at 2026-11-29T13:01:30.000000Z
previous {"0" * 64}
"""


def test_a_note_is_this_text() -> None:
    note = checkpoint.sign(FIRST, [OLD])
    text, signature = note.split("\n\n")
    assert text + "\n" == FIRST.write() == TEXT
    dash, name, data = signature.removesuffix("\n").split(" ")
    assert (dash, name) == ("\u2014", "lender-2026")
    key_hash = hashlib.sha256(b"lender-2026\n\x01" + OLD.public.key).digest()[:4]
    assert base64.b64decode(data) == key_hash + OLD.sign(TEXT)
    assert checkpoint.parse(note).write() == note
    assert checkpoint.verify(note, [OLD.public]) == (FIRST, (OLD.public,))
    assert checkpoint.digest(note) == hashlib.sha256(note.encode()).digest()


def test_keys_and_signatures_are_those_of_the_standard() -> None:
    """The first two tests of RFC 8032, section 7.1."""
    for seed, public, text, signature in (
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "r",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ):
        key = PrivateKey("standard", bytes.fromhex(seed))
        assert (key.public.key.hex(), key.sign(text).hex()) == (public, signature)


def test_keys_of_the_public_format_are_read() -> None:
    """The pair with which Go documents its package for signed notes: its hash and ours are made in the same way."""
    line = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert PublicKey.parse(line).write() == line
    private = PrivateKey.parse("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")
    assert private.public.write() == line


def test_a_wrong_key_a_changed_text_and_a_changed_signature_are_told_apart() -> None:
    note = checkpoint.sign(FIRST, [OLD])
    with pytest.raises(CheckpointError, match=f"signed by lender-2026.{OLD.public.hash.hex()} and by none of the keys"):
        checkpoint.verify(note, [NEW.public])
    with pytest.raises(CheckpointError, match="by none of the keys"):
        checkpoint.verify(note, [PrivateKey(OLD.name, NEW.seed).public])
    with pytest.raises(CheckpointError, match="201 batches is not what key lender-2026"):
        checkpoint.verify(note.replace("entries 1000000", "entries 1000001"), [OLD.public])
    forged = dataclasses.replace(checkpoint.parse(note).signatures[0], signature=NEW.sign(TEXT))
    other = checkpoint.Note(FIRST, (forged,)).write()
    with pytest.raises(CheckpointError, match="is not what key lender-2026"):
        checkpoint.verify(other, [OLD.public])


def test_a_new_key_is_introduced_by_both() -> None:
    note = checkpoint.sign(FIRST, [OLD, NEW])
    assert checkpoint.verify(note, [OLD.public, NEW.public]) == (FIRST, (OLD.public, NEW.public))
    assert checkpoint.verify(note, [OLD.public])[1] == (OLD.public,)
    assert checkpoint.verify(note, [NEW.public])[1] == (NEW.public,)
    later = dataclasses.replace(FIRST, tree_size=202, previous=checkpoint.digest(note))
    assert checkpoint.verify(checkpoint.sign(later, [NEW]), [OLD.public, NEW.public]) == (later, (NEW.public,))
    spoilt = note.replace(checkpoint.parse(note).signatures[1].write(), checkpoint.parse(note).signatures[0].write())
    with pytest.raises(CheckpointError, match="one key has signed twice"):
        checkpoint.verify(spoilt, [OLD.public])


def test_one_false_signature_in_a_trusted_name_spoils_the_note() -> None:
    note = checkpoint.parse(checkpoint.sign(FIRST, [OLD, NEW]))
    false = dataclasses.replace(note.signatures[1], signature=bytes(64))
    text = dataclasses.replace(note, signatures=(note.signatures[0], false)).write()
    with pytest.raises(CheckpointError, match="is not what key lender-2027"):
        checkpoint.verify(text, [OLD.public, NEW.public])
    assert checkpoint.verify(text, [OLD.public])[1] == (OLD.public,)  # who does not know the key cannot tell


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("limits log ", "limits lag ", "line 1 must begin"),
        ("limits log 7", "limits log  7", "identity must be printable"),
        ("\n201\n", "\n0201\n", "not written as it must be"),
        ("\n201\n", "\n+201\n", "line 2 must be the size"),
        ("\n201\n", "\n٢٠١\n", "line 2 must be the size"),
        ("BwcHBwc=\n", "BwcHBwd=\n", "must be base64 in its one spelling"),
        ("BwcHBwc=\n", "BwcHBwc\n", "cannot be read: must be base64$"),
        ("BwcHBwcHBwc=\n", "BwcHBwc=\n", "must have 32 bytes"),
        ("entries 1000000", "entries 1e6", "line 4: entries must be a whole number"),
        ("at 2026-11-29T13:01:30.000000Z", "at 2026-11-29T13:01:30Z", "line 5: at must be an instant"),
        ("previous 0", "previous 00", "line 6: previous must be 64"),
        ("\nentries 1000000", "", "line 4 must begin with 'entries'"),
        ("\n\n", "\nmore 1\n\n", "line 7 must not be there"),
        ("\n\n", "\n", "is cut off"),
        ("\u2014 ", "- ", "line of signature that is none"),
        ("lender-2026 ", "lender-2026  ", "line of signature that is none"),
        ("lender-2026 ", "lender-2026 AAAA", "line of signature that is none"),
        ("\n\n", "\n\n\n", "line of signature that is none: ''"),
        ("\n", "\r\n", "is cut off"),
    ],
)
def test_a_note_that_is_not_as_it_must_be_is_refused(old: str, new: str, words: str) -> None:
    note = checkpoint.sign(FIRST, [OLD])
    assert old in note
    with pytest.raises(CheckpointError, match=words):
        checkpoint.parse(note.replace(old, new))


def test_a_note_that_is_cut_off_anywhere_is_refused() -> None:
    note = checkpoint.sign(FIRST, [OLD, NEW])
    whole = len(checkpoint.sign(FIRST, [OLD]))  # all but the second signature is a note of its own
    for end in range(len(note)):
        if end != whole:
            with pytest.raises(CheckpointError):
                checkpoint.parse(note[:end])


@pytest.mark.parametrize(
    "changed",
    [
        {"identity": "two words"},
        {"identity": ""},
        {"tree_size": -1},
        {"entries": 2**63},
        {"root": bytes(31)},
        {"previous": bytes(33)},
        {"at": dt.datetime(2026, 11, 29)},  # noqa: DTZ001
    ],
)
def test_what_cannot_be_signed_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="what must be signed"):
        checkpoint.sign(dataclasses.replace(FIRST, **changed), [OLD])
    with pytest.raises(CheckpointError, match="without a key"):
        checkpoint.sign(FIRST, [])
    with pytest.raises(CheckpointError, match="one key has signed twice"):
        checkpoint.sign(FIRST, [OLD, OLD])


# Files ------------------------------------------------------------------------------------------


def test_a_file_of_checkpoints_comes_back(tmp_path: Path) -> None:
    first = checkpoint.sign(FIRST, [OLD])
    second = checkpoint.sign(dataclasses.replace(FIRST, previous=checkpoint.digest(first)), [OLD, NEW])
    text = checkpoint.join([first, second])
    assert text == first + "\n" + second + "\n"
    assert list(checkpoint.split(io.StringIO(text))) == [first, second]
    path = tmp_path / "checkpoints"
    path.write_text(text, encoding="utf-8", newline="\n")
    with path.open(encoding="utf-8", newline="\n") as file:
        assert list(checkpoint.split(file)) == [first, second]
    assert list(checkpoint.split([])) == []
    for end in (-1, -2, -30, len(first), len(first) + 20):
        with pytest.raises(CheckpointError, match="the last checkpoint of the file is cut off"):
            list(checkpoint.split(io.StringIO(text[:end])))
    assert list(checkpoint.split(io.StringIO(text[: len(first) + 1]))) == [first]


def test_public_keys_are_one_a_line() -> None:
    line = OLD.public.write()
    assert line == f"lender-2026+{OLD.public.hash.hex()}+{base64.b64encode(bytes([1]) + OLD.public.key).decode()}"
    text = checkpoint.write_public_keys([OLD.public, NEW.public])
    assert text == f"{line}\n{NEW.public.write()}\n"
    assert checkpoint.read_public_keys(text) == [OLD.public, NEW.public]
    with pytest.raises(InputError, match="line 2 of the public keys is there before"):
        checkpoint.read_public_keys(f"{line}\n{line}\n")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lender-2026+", "lender-2025+", "does not hold together"),
        ("lender-2026+", "+", "name of a key must be printable"),
        ("lender-2026+", "lender 2026+", "name of a key must be printable"),
        (f"+{OLD.public.hash.hex()}+", f"+{OLD.public.hash.hex().upper()}+", "does not hold together"),
        (f"+{OLD.public.hash.hex()}+", "+", "is not for Ed25519"),
        ("+AQ", "+Ag", "is not for Ed25519"),
        ("+AQ", "+AR", "does not hold together"),
        ("\n", " \n", "line of name, hash and key"),
        ("\n", "\r\n", "line of name, hash and key"),
        ("\n", "A===\n", "line of name, hash and key"),
        ("\n", "AAAA\n", "has 35 bytes; it must have 32"),
        ("\n", "\n\n", "line 2 of the public keys: a public key must be a line"),
    ],
)
def test_a_line_that_is_no_public_key_is_refused(old: str, new: str, words: str) -> None:
    text = checkpoint.write_public_keys([OLD.public])
    assert old in text
    with pytest.raises(InputError, match=words):
        checkpoint.read_public_keys(text.replace(old, new, 1))


def test_no_public_key_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="line 1 of the public keys"):
        checkpoint.read_public_keys("")


def test_a_private_key_comes_back_and_is_never_shown() -> None:
    line = OLD.write()
    assert line.startswith(f"PRIVATE+KEY+lender-2026+{OLD.public.hash.hex()}+")
    assert PrivateKey.parse(line) == OLD
    secret = line.split("+", 4)[4]
    assert "seed" not in repr(OLD)
    seed = base64.b64encode(b"\x01" + OLD.seed[:-1] + b"\x00").decode()
    for wrong in (line[:-4], line + " ", line.replace("2026", "2025"), OLD.public.write(), line.replace(secret, seed)):
        with pytest.raises(InputError) as error:
            PrivateKey.parse(wrong)
        assert secret[:10] not in str(error.value) and seed[:10] not in str(error.value)
    with pytest.raises(InputError, match="has 31 bytes; it must have 32"):
        PrivateKey("short", bytes(31))
