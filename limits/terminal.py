"""How everything is printed: calm tables and bars on a terminal, plain lines where a program reads.

Results go to standard output; progress and notes go to standard error. Rich is imported
only where standard output or standard error is a terminal.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import types

#: Characters that turn the direction of the text after them: they can make a line read as another.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str) -> str:
    """The text with everything escaped that could steer a terminal: control and direction characters."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in ("Cc", "Cs") or character in _TURNING
        else character
        for character in text
    )


def say(text: str = "", *, strong: bool = False, faint: bool = False) -> None:
    """One line of a result."""
    text = "\n".join(clean(line) for line in text.split("\n"))
    if (strong or faint) and sys.stdout.isatty():
        from rich.text import Text

        _console().print(Text(text, style="bold" if strong else "dim"), soft_wrap=True)
    else:
        print(text)


def note(text: str) -> None:
    """One line beside the result, to standard error."""
    print(clean(text), file=sys.stderr, flush=True)


@contextlib.contextmanager
def ctrl_c() -> Iterator[threading.Event]:
    """Set by the first Ctrl-C; the second one interrupts whatever goes on.

    An exception in the middle of anything could come up where nobody hands it on, and the watching would go on.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only that one gets signals
        yield pressed
        return

    def press(number: int, frame: types.FrameType | None) -> None:
        if pressed.is_set():
            signal.default_int_handler(number, frame)
        pressed.set()

    before = signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def print_json(value: Any) -> None:
    """The value as JSON, the only thing on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def span(seconds: float) -> str:
    """A stretch of time in words, by its two largest units: 42 s, 3 min 5 s, 8 h 0 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
    widths: Mapping[str, int] | None = None,
) -> None:
    """Rows under a heading: aligned on a terminal (``numbers`` to the right), else separated by tabs."""
    if not sys.stdout.isatty():
        for line in ([*columns], *([clean(cell) for cell in row] for row in rows)):
            print("\t".join(line))
        return
    _console().print(drawn_table(columns, rows, numbers=numbers, widths=widths))


def drawn_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
    widths: Mapping[str, int] | None = None,
) -> Any:
    """The table for a terminal; what does not fit goes on below and is never cut.

    ``widths``: the columns that may give way, each with the least that it keeps; none named: all may.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    close = (0, 1) if widths is None else (0, 1, 0, 0)
    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, padding=close, header_style="bold")
    for column in columns:
        drawn.add_column(
            column,
            justify="right" if column in numbers else "left",
            overflow="fold",
            no_wrap=widths is not None and column not in widths,
            min_width=None if widths is None else widths.get(column),
        )
    for row in rows:
        drawn.add_row(*(Text(clean(cell)) for cell in row))
    return drawn


def bars(rows: Sequence[tuple[str, int, str]], *, width: int = 40) -> None:
    """A small bar chart on a terminal: label, length, text after the bar. Piped: the texts alone."""
    if not sys.stdout.isatty():
        for label, _, text in rows:
            print(f"{label}\t{text}")
        return
    longest = max((length for _, length, _ in rows), default=0) or 1
    name = max((len(label) for label, _, _ in rows), default=0)
    from rich.text import Text

    for label, length, text in rows:
        drawn = round(width * length / longest)
        bar = Text("█" * drawn, style="cyan") + Text(" " * (width - drawn))
        _console().print(Text(f"  {label:<{name}}  ") + bar + Text(f"  {clean(text)}"), soft_wrap=True)


@contextlib.contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error; gives a function to call with (done, total).

    Where standard error is no terminal nothing is drawn.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task(clean(what), total=None)
        yield lambda done, total: drawn.update(task, completed=done, total=total)


def _console() -> Any:
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)
