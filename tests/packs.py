"""The standard policy with a few values changed, approved to decide and written where a test can name it.

Its breakers are wide: in a world of three users one of them is a third of the portfolio.
"""

from __future__ import annotations

import re
from pathlib import Path

from limits.store.db import Connection
from limits.store.policies import read_pack
from tests import governance

#: The policy by which tests decide that name none.
OWN = "wide"

#: Breakers that trip where more than all users, or more than all of the exposure, are concerned.
WIDE = {
    f"breakers__{key}": "10000"
    for key in ("raised_bps", "lowered_bps", "exposure_up_bps", "exposure_down_bps", "quarantined_bps", "fallback_bps")
} | {"breakers__user_raise_bps": "10000000", "breakers__population_bps": "1000000"}


def write_pack(conn: Connection, folder: Path, name: str = "policy", **changed: str) -> str:
    """Writes the standard policy as a pack of that name with lines changed, approves it, and gives its file's name.

    ``section__key="value as in TOML"``: a key is looked for from its section's heading on.
    """
    text = read_pack("standard")[0].body.replace('pack = "standard"', f'pack = "{name}"')
    for path, value in (WIDE | changed).items():
        section, key = path.rsplit("__", 1)
        start = text.index(f"[{section}]")
        line = re.compile(rf"^{key} = .*$", re.MULTILINE)
        assert line.search(text, start), f"no {key} after [{section}]"
        text = text[:start] + line.sub(f"{key} = {value}", text[start:], count=1)
    file = folder / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    governance.approve(conn, read_pack(str(file))[0])
    return str(file)
