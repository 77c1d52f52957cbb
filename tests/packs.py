"""The standard policy with a few values changed, approved to decide and written where a test can name it."""

from __future__ import annotations

import re
from pathlib import Path

from limits.store.db import Connection
from limits.store.policies import read_pack
from tests import governance


def write_pack(conn: Connection, folder: Path, name: str = "policy", **changed: str) -> str:
    """Writes the standard policy as a pack of that name with lines changed, approves it, and gives its file's name.

    ``section__key="value as in TOML"``: a key is looked for from its section's heading on.
    """
    text = read_pack("standard")[0].body.replace('pack = "standard"', f'pack = "{name}"')
    for path, value in changed.items():
        section, key = path.rsplit("__", 1)
        start = text.index(f"[{section}]")
        line = re.compile(rf"^{key} = .*$", re.MULTILINE)
        assert line.search(text, start), f"no {key} after [{section}]"
        text = text[:start] + line.sub(f"{key} = {value}", text[start:], count=1)
    file = folder / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    governance.approve(conn, read_pack(str(file))[0])
    return str(file)
