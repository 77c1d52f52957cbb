"""What limits bench web measures: the made-up log is one that the console reads, and its rare filters are rare."""

from __future__ import annotations

import datetime as dt

from limits.bench.web import filling, measuring
from limits.bench.web.visiting import Form, Times
from limits.settings import Settings
from limits.store.db import Database
from tests.web import Site


def test_every_page_that_is_measured_is_there(database: Database, settings: Settings) -> None:
    today = dt.datetime.now(dt.UTC).date()
    filled = filling.fill(database, 2_400, today=today, threads=2, progress=lambda done, total: None)
    assert filled.rows == 2_400 and filled.last_day == today - dt.timedelta(days=1)
    person = Site(database, settings).person("auditor")
    found = {}
    for name, address in measuring.filters(filled).items():
        answer = person.ask(address.replace("/log?", "/v1/adjustments?"))
        assert answer.status_code == 200, (name, answer.text)
        assert person.get(address).status_code == 200
        found[name] = answer.json()
    assert [len(found[name]["items"]) for name in ("actor, one entry", "reason, one entry", "review, of one user")] == [
        1, 1, 1,
    ]  # fmt: skip
    for name in ("reason, none", "currency, none", "change of 9,000 or more, none"):
        assert found[name]["items"] == []
    for name in ("no filter", "outcome held", "actor, of all", "policy, oldest", "currency, usual"):
        assert len(found[name]["items"]) == 50


def test_times_and_forms() -> None:
    times = Times([0.001 * n for n in range(1, 101)])
    assert (times.at(0.5), times.at(0.95), times.at(1.0)) == (51.0, 96.0, 100.0)
    page = b'<form data-instant="/x"><input name="a" value="1"><input type="checkbox" name="b"></form><input name="c">'
    form = Form(page)
    assert form.address == "/x" and form.fields == [("a", "1")]
