"""What a reason may be, wherever the console takes one."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from limits.console.fields import Reason, TrimmedReason

#: What is sent, and what is kept: of any act, and of an act on one user. None: refused.
SENT: list[tuple[str, str | None, str | None]] = [
    ("customer called", "customer called", "customer called"),
    ("  called \n", "called", "called"),
    ("x" * 500, "x" * 500, "x" * 500),
    ("客户来电", "客户来电", "客户来电"),
    ("x" * 501, None, None),
    ("", None, None),
    (" \t ", None, None),
    ("two\nlines", None, None),
    ("a\0b", None, None),
    ("a\u200bb", None, None),
    # Here the two differ: by what is counted, and by what counts as a space.
    (" " + "x" * 500, None, "x" * 500),
    ("x" + " " * 500, None, "x"),
    ("called\x1f", "called", None),
]


@pytest.mark.parametrize(("sent", "kept", "kept_of_user"), SENT)
def test_a_reason(sent: str, kept: str | None, kept_of_user: str | None) -> None:
    for kind, wanted in ((Reason, kept), (TrimmedReason, kept_of_user)):
        adapter: TypeAdapter[str] = TypeAdapter(kind)
        if wanted is not None:
            assert adapter.validate_python(sent) == wanted
            continue
        with pytest.raises(ValidationError):
            adapter.validate_python(sent)
