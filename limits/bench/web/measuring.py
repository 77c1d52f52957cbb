"""One run: a log of made-up entries, a real `limits web` over it, each filter's first page, then many auditors."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from limits.bench.nightly import home
from limits.bench.nightly.measuring import Bar, machine
from limits.bench.nightly.running import STOP_SECONDS
from limits.bench.web import filling
from limits.bench.web.filling import Filled
from limits.bench.web.visiting import Form, Times, Visitor
from limits.errors import LimitsError
from limits.settings import Settings
from limits.store.db import Database
from limits.store.health import server

#: What it must hold: the median of a first page, of a user's page and of its what-if, milliseconds.
LOG_MS, USER_MS, WHAT_IF_MS = 200, 150, 100
START_SECONDS = 120.0

#: Starts `limits web` with these settings, its output in a file.
Start = Callable[[Settings, Path], "subprocess.Popen[bytes]"]


@dataclass
class Web:
    """What a run came to."""

    filled: Filled
    repeats: int
    auditors: int
    requests_each: int
    postgres: str
    pages: dict[str, tuple[str, Times, int, bool]] = field(default_factory=dict)
    crowd: Times = field(default_factory=Times)
    crowd_seconds: float = 0.0
    left_out: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all holds that must."""
        return not self.crowd.errors and all(
            not times.errors and times.at(0.5) < most for _, times, most, _ in self.pages.values()
        )

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "ok": self.ok,
            "rows": self.filled.rows,
            "fill_seconds": round(self.filled.seconds, 1),
            "machine": dataclasses.asdict(machine()),
            "postgres": self.postgres,
            "repeats": self.repeats,
            "pages": {
                name: {"address": address, "must_be_under_ms": most, "stopped_early": early, **times.as_dict()}
                for name, (address, times, most, early) in self.pages.items()
            },
            "auditors": {
                "at_once": self.auditors, "seconds": round(self.crowd_seconds, 1),
                "a_second": round(len(self.crowd.seconds) / max(self.crowd_seconds, 0.001), 1), **self.crowd.as_dict(),
            },
            "left_out": self.left_out,
        }  # fmt: skip

    def rows(self) -> list[tuple[str, ...]]:
        """For a table: page, median, p95, what it must be under, and whether the search stopped for its time."""
        return [
            (name, f"{times.at(0.5):.0f}", f"{times.at(0.95):.0f}", str(most), "in part" if early else "")
            for name, (_, times, most, early) in self.pages.items()
        ]


def measure(rows: int, *, start: Start, bar: Bar, today: dt.date, repeats: int, auditors: int, keep: bool) -> Web:
    """Measures everything once, in a database of its own. LimitsError when the console does not answer."""
    with home.home(1_500_000_000 + rows * filling.DISK_BYTES, keep=keep) as folder:
        settings = home.settings(folder).model_copy(update={"web_port": _free_port(), "log_level": "warning"})
        with home.database(settings) as database:
            with bar(f"filling the log with {rows:,} entries") as progress:
                filled = filling.fill(database, rows, today=today, threads=2, progress=progress)
            with database.connect("owner", "limits bench") as conn:
                result = Web(filled, repeats, auditors, 10, server(conn).version)
            process = start(settings, folder / "web.log")
            try:
                _wait(settings.web_port, process, folder / "web.log")
                with bar("measuring pages") as progress:
                    _pages(database, settings.web_port, result, progress)
                with bar(f"{auditors} auditors at once") as progress:
                    _crowd(database, settings.web_port, result, progress)
            finally:
                _stop(process)
    return result


def filters(filled: Filled) -> dict[str, str]:
    """Addresses of first pages: each filter with what is frequent, what is rare, and what matches nothing or one."""
    old = filled.first_day + dt.timedelta(days=3)
    asked: dict[str, dict[str, Any]] = {
        "no filter": {},
        "user": {"user": filled.users // 2},
        "review, newest": {"review": 5 * (filled.days - 1) + 1},
        "review, oldest": {"review": 1},
        "review, of one user": {"review": 13},
        "dates, newest day": {"from": filled.last_day},
        "dates, an old day": {"from": old, "to": old},
        "dates, an old month": {"to": filled.first_day + dt.timedelta(days=30)},
        "outcome raised": {"outcome": "raised"},
        "outcome held": {"outcome": "held"},
        "outcome announced": {"outcome": "announced"},
        "reason, frequent": {"reason": "cool_off_after_raise"},
        "reasons, three": {"reason": ["cool_off_after_raise", "utilisation_low", "ability_to_pay"]},
        "reason, 1 of 1,000": {"reason": "repeated_arrears"},
        "reason, 1 of 100,000": {"reason": "confirmed_fraud"},
        "reason, one entry": {"reason": "false_documents"},
        "reason, none": {"reason": "risk_unknown"},
        "actor, of all": {"actor": "scheduler"},
        "actor, a person": {"actor": "Ann Lee"},
        "actor, one entry": {"actor": "Once Only"},
        "policy, newest": {"policy": "bench-new"},
        "policy, oldest": {"policy": "bench-old"},
        "currency, usual": {"currency": "CNY"},
        "currency, an old review": {"currency": "PLN"},
        "currency, none": {"currency": "JPY"},
        "change of 4,900 or more": {"min_change": "4900 CNY"},
        "change of 9,000 or more, none": {"min_change": "9000 CNY"},
        "change of 100 at most": {"max_change": "100 CNY"},
        "change of 40 %% of the limit".replace("%%", "%"): {"min_share": "40"},
        "change of 900 % of the limit, none": {"min_share": "900"},
        "lowered and a rare reason": {"outcome": "lowered", "reason": "confirmed_fraud"},
        "raised and none of a reason": {"outcome": "raised", "reason": "risk_unknown"},
        "old policy, lowered, large": {"policy": "bench-old", "outcome": "lowered", "min_change": "4900 CNY"},
    }
    return {name: f"/log?{urlencode(words, doseq=True)}" for name, words in asked.items()}


def _pages(database: Database, port: int, result: Web, progress: Callable[[int, int], None]) -> None:
    asked = [(name, address, LOG_MS) for name, address in filters(result.filled).items()]
    visitors = [Visitor(database, port, f"Auditor {number}", ("auditor", "operations")) for number in range(4)]
    entry = 1 + result.filled.rows // 2
    asked.append(("one entry", f"/log/{entry}", LOG_MS))
    user = f"/users/{filling.USERS // 2}"
    status, _, body = visitors[0].send("GET", user)
    form = Form(body)
    if status == 200:
        asked.append(("a user", user, USER_MS))
    else:
        result.left_out.append(f"the page of a user: {user} was answered with {status}")
    if form.address:
        what_if = Times()
        for turn in range(result.repeats + 1):
            visitors[0].timed_form(form, Times() if turn == 0 else what_if)
        result.pages["what-if of a user"] = form.address, what_if, WHAT_IF_MS, False
    else:
        result.left_out.append("what-if of a user: the page of a user has no such form")
    for place, (name, address, most) in enumerate(asked):
        times, body = Times(), b""
        for turn in range(result.repeats + 1):
            body = visitors[(place + turn) % len(visitors)].timed(address, Times() if turn == 0 else times)
        result.pages[name] = address, times, most, b"Looked at all that was decided since" in body
        progress(place + 1, len(asked))
    for visitor in visitors:
        visitor.close()


def _crowd(database: Database, port: int, result: Web, progress: Callable[[int, int], None]) -> None:
    """So many people at once, each asking for one page after the other."""
    addresses = list(filters(result.filled).values())
    visitors = [Visitor(database, port, f"Auditor at once {n}", ("auditor",)) for n in range(result.auditors)]
    lock, done = threading.Lock(), [0]

    def use(visitor: Visitor, seed: int) -> None:
        mine = Times()
        for address in random.Random(seed).sample(addresses, result.requests_each):
            visitor.timed(address, mine)
            with lock:
                done[0] += 1
                progress(done[0], len(visitors) * result.requests_each)
        with lock:
            result.crowd.seconds += mine.seconds
            result.crowd.errors += mine.errors
        visitor.close()

    began = time.monotonic()
    threads = [threading.Thread(target=use, args=(visitor, seed)) for seed, visitor in enumerate(visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.crowd_seconds = time.monotonic() - began


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/sign-in", timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > until:
                lines = output.read_text(errors="replace").strip().splitlines()
                raise LimitsError(f"limits web does not answer: {lines[-1] if lines else 'it said nothing'}") from None
            time.sleep(0.3)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
