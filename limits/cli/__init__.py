"""The command line. Each command is a few lines over the engine and the store; nothing is decided here.

Modules behind the commands are imported inside them, so that `limits --help` answers at once.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from limits import __version__
from limits.cli import (
    backtest,
    bench,
    change,
    data,
    demo,
    gate,
    log,
    log_replay,
    notices,
    once,
    override,
    person,
    policy,
    referral,
    review,
    risk,
    samples,
    services,
    snapshot,
    status,
    streams,
    user,
    web,
    whatif,
)
from limits.errors import LimitsError, OutputLost

#: Exit code of an error nobody expected (EX_SOFTWARE of sysexits.h).
UNEXPECTED = 70
INTERRUPTED = 130

app = typer.Typer(
    name="limits",
    help="Nightly review of credit limits: what a user can repay decides, inside the policy, "
    "with a record an auditor can check.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for module in (
    demo, services, data, policy, risk, review, gate, status, user, whatif, override, person, change, log, log_replay,
    notices, referral, backtest, bench, samples, snapshot, web,
):  # fmt: skip
    module.register(app)
once.once_each(log.log)  # what is asked of the log is never less than what was named


def _version(wanted: bool) -> None:
    if wanted:
        print(f"limits {__version__}")
        raise typer.Exit


@app.callback()
def _every_command(
    debug: Annotated[bool, typer.Option("--debug", help="Show the full traceback of an unexpected error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options that stand before any command; read in ``run``."""


def main() -> None:
    """The console script."""
    output = streams.guard()
    code = run(sys.argv[1:])
    with contextlib.suppress(OutputLost):  # it is kept
        sys.stdout.flush()
    if output.lost is not None and code == 0:
        code = _fail(str(output.lost), output.lost.exit_code)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code; whatever goes wrong is one sentence on standard error."""
    try:
        result = app(args=list(arguments), prog_name="limits", standalone_mode=False)
    except LimitsError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        return _fail(_sentence(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        result = INTERRUPTED
    except Exception as error:  # noqa: BLE001 (the last resort: said in one line, kept in full)
        if _is_trouble(error):
            words = " ".join(str(error).split())
            return _fail(f"the connection to the database was lost ({words}); run the command again", 3)
        return _unexpected(error, arguments)
    if result == INTERRUPTED:
        return _fail("interrupted", INTERRUPTED)
    return result if isinstance(result, int) else 0


def _is_trouble(error: Exception) -> bool:
    """Whether it is the database that went away. Where its module was never imported, it is not."""
    module = sys.modules.get("limits.store.db")
    return module is not None and isinstance(error, module.TROUBLE)


def _sentence(error: typer.TyperException) -> str:
    """A usage error with the command whose help says more; a group without a command gives its help."""
    context = getattr(error, "ctx", None)
    message = error.format_message().replace(": Value error, ", ": ")
    if context is None or "\n" in message:
        return message
    if re.fullmatch(r"No such option: -[0-9.]+\.?", message):  # the parser takes a minus for the dash of an option
        message = "A value begins with a minus, and amounts and numbers here are not below zero"
    end = "" if message.endswith("?") else "."
    return f"{message.rstrip('.')}{end} See: {context.command_path} --help"


def _fail(sentence: str, code: int) -> int:
    from limits.terminal import clean

    lines = [clean(line) for line in sentence.split("\n")]
    with contextlib.suppress(OSError):
        print(("" if len(lines) > 1 else "limits: ") + "\n".join(lines), file=sys.stderr, flush=True)
    return code


def _unexpected(error: Exception, arguments: Sequence[str]) -> int:
    if "--debug" in arguments:
        traceback.print_exception(error)
        return UNEXPECTED
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    written = _keep_traceback(error, arguments)
    where = f"; the full traceback is in {written}" if written else "; run it again with: limits --debug ..."
    return _fail(f"unexpected error, please report it: {kind}: {error}".split("\n")[0] + where, UNEXPECTED)


def _keep_traceback(error: Exception, arguments: Sequence[str]) -> Path | None:
    import tempfile

    moment = dt.datetime.now(dt.UTC)
    name = f"error-{moment:%Y%m%dT%H%M%S}-{os.getpid()}.log"
    text = f"{moment.isoformat()} limits {__version__}\narguments: {list(arguments)!r}\n\n"
    text += "".join(traceback.format_exception(error))
    folders = [Path(tempfile.gettempdir())]
    with contextlib.suppress(Exception):
        from limits.settings import get_settings, home_dir

        folders.insert(0, home_dir(get_settings()) / "log")
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A name of its own, never an existing file: the temporary folder is everybody's.
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            return folder / name
    return None
