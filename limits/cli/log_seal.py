"""limits log seal, limits log key: batches are sealed under signed checkpoints, and who signs them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from limits.cli import common

if TYPE_CHECKING:
    from limits.settings import Settings
    from limits.store.db import Database

#: What the key of an embedded database is called that is made at the first start.
EMBEDDED_KEY = "embedded"
#: How often the sealer looks, in seconds, and how seldom at most: a batch is under a checkpoint within half a minute.
EVERY_SECONDS, SELDOMEST_SECONDS = 10.0, 30.0

key = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The keys that sign the log's checkpoints.")

KeyName = Annotated[
    str, typer.Argument(metavar="NAME", help="What the key is called: letters and digits without spaces and +.")
]


def register(log: typer.Typer) -> None:
    """Add the commands to those of the log."""
    log.command("seal")(seal_command)
    log.add_typer(key, name="key")


def seal_command(
    once: Annotated[
        bool, typer.Option("--once", help="Seal what there is and leave; 1 where some is refused.")
    ] = False,
    every: Annotated[
        float, typer.Option("--every", min=0.1, max=SELDOMEST_SECONDS, metavar="SECONDS", help="How often to look.")
    ] = EVERY_SECONDS,
    make_key: Annotated[
        str | None,
        common.words_option("--make-key", "Make a key where there is none and nothing was ever signed.", "NAME"),
    ] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Sign by a key that the one before, lost for good, did not introduce.")
    ] = False,
    new_file: Annotated[
        bool, typer.Option("--new-file", help="Begin the file of checkpoints where it is gone, or on a new machine.")
    ] = False,
) -> None:
    """Check committed batches, seal them and sign checkpoints, until stopped (Ctrl-C or SIGTERM)."""
    from limits.errors import SealBusy
    from limits.settings import get_settings, seal_paths
    from limits.terminal import note, say
    from tasks.sealer import first_key, lines, make_sealer, run_sealer

    def tell(text: str) -> None:
        say(text)
        sys.stdout.flush()

    settings = get_settings()
    with common.database(settings) as database:
        name = make_key or (EMBEDDED_KEY if settings.embedded else None)
        if name is not None:
            with database.connect("sealer", "limits log seal") as conn:
                first_key(conn, seal_paths(settings), name, tell)
        sealer = make_sealer(settings, new_key=new_key, new_file=new_file)
        if not once:
            raise typer.Exit(run_sealer(database, settings, sealer, every=every, tell=tell))
        refused, more, told = False, True, False
        with database.connect("sealer", "limits log seal") as conn:
            while more:
                try:
                    step = sealer.step(conn)
                except SealBusy as error:
                    note(f"{error}: what there is to seal is its own to seal")
                    return
                for line in lines(step):
                    tell(line)
                    told = True
                more, refused = step.more, refused or bool(step.refused)
        if not told:
            tell(f"nothing new since checkpoint {step.last_id}")
        if refused:
            raise typer.Exit(1)


@key.command("new")
def new_key_command(name: KeyName) -> None:
    """Make the key that signs, at LIMITS_SEAL_KEY, and print the line that checkpoints are checked with."""
    from limits.settings import get_settings, seal_paths
    from limits.store import seal_keys
    from limits.terminal import note, say

    paths = seal_paths(get_settings())
    say(seal_keys.new(paths.key, name, paths.public_keys).write())
    note(f"the key is {paths.key}, and its public line stands in {paths.public_keys}: give that to who checks the log")


@key.command("rotate")
def rotate_key_command(name: KeyName) -> None:
    """Make a new key: the next checkpoint is signed by both, later ones by the new one alone."""
    from limits.settings import get_settings, seal_paths
    from limits.store import seal_keys
    from limits.terminal import note, say

    paths = seal_paths(get_settings())
    say(seal_keys.rotate(paths.key, name, paths.public_keys, paths.checkpoints).write())
    note(f"a running sealer takes it at its next step; the public line stands in {paths.public_keys}")


def seal_rest(database: Database, settings: Settings) -> None:
    """After a command on an embedded database, which may have no sealer: what it left to seal is sealed."""
    from limits.errors import LimitsError, SealBusy
    from limits.settings import seal_paths
    from limits.store.db import TROUBLE
    from limits.store.queries import query
    from limits.terminal import note

    try:
        with database.connect("sealer", "limits log seal") as conn:
            if not conn.execute(query("seal_left")).fetchone():
                return
            from tasks.sealer import first_key, lines, make_sealer

            first_key(conn, seal_paths(settings), EMBEDDED_KEY, note)
            step = make_sealer(settings).step(conn)
        for line in lines(step):
            if step.checkpoint_id is None or not line.startswith("checkpoint "):
                note(line)
    except SealBusy:
        return
    except (LimitsError, *TROUBLE) as error:
        note(f"the log is not sealed: {' '.join(str(error).split())}")
