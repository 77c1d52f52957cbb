"""limits web and limits up as processes: links, tokens, ports, and what is said where nobody could sign in."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from limits.cli import doctor, web
from limits.cli.working import environment
from limits.console import serving
from limits.errors import DatabaseError, SettingsError
from limits.settings import Settings, make_settings
from limits.store.db import Connection, Database


def limits(settings: Settings, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "limits", *arguments]
    env = environment(settings) | more
    return subprocess.run(command, check=False, env=env, capture_output=True, text=True, timeout=120)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_token_from_the_command_line_opens_the_api(settings: Settings, tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "limits", "web"],
        env=environment(settings.model_copy(update={"web_port": port})), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        made = json.loads(limits(settings, "web", "token", "new", "nightly", "--scope", "risk", "--json").stdout)
        refused = limits(settings, "web", "token", "new", "x", "--scope", "approver")
        assert refused.returncode == 2 and "no scope of a machine" in refused.stderr
        again = limits(settings, "web", "token", "new", "nightly", "--scope", "risk")
        assert again.returncode == 2 and "choose another" in again.stderr
        assert "nightly" in limits(settings, "web", "token", "list").stdout
        headers = {"authorization": f"Bearer {made['secret']}"}
        address = f"http://127.0.0.1:{port}/v1/reviews"
        assert _patiently(address, headers).status_code == 200
        done = limits(settings, "web", "token", "revoke", str(made["token_id"]), "--actor", "Ann Lee")
        assert "revoked" in done.stderr and "Ann Lee" in done.stderr
        assert httpx.get(address, headers=headers).status_code == 401
        # On the wire: a body in pieces that has no length, and a name that is not ours.
        assert httpx.post(address, content=iter([b"x" * 30_000])).status_code == 413
        assert httpx.get(address, headers={"host": "evil.example"}).status_code == 421
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        said = process.communicate()[1]
    assert "for machines with a token alone" in said
    assert made["secret"] not in said


def _patiently(address: str, headers: dict[str, str]) -> httpx.Response:
    until = time.monotonic() + 60
    while True:
        try:
            return httpx.get(address, headers=headers)
        except httpx.ConnectError:
            assert time.monotonic() < until, "the console does not listen after a minute"
            time.sleep(0.2)


def test_where_the_console_cannot_be_served_is_said(database: Database, settings: Settings) -> None:
    assert "set LIMITS_OIDC_ISSUER" in (web.why_not(database, settings) or "")
    embedded = settings.model_copy(update={"database_url": None, "web_port": free_port()})
    assert web.why_not(database, embedded) is None
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", embedded.web_port))
        taken.listen()
        assert "LIMITS_WEB_PORT" in (web.why_not(database, embedded) or "")
    with pytest.raises(SettingsError, match="which others reach"):
        serving.check(database, settings.model_copy(update={"web_host": "0.0.0.0"}))


def test_a_login_without_its_role_is_said_at_the_start(
    database: Database, settings: Settings, conn: Connection
) -> None:
    conn.execute("DROP ROLE IF EXISTS limits_test_weak")
    conn.execute("CREATE ROLE limits_test_weak LOGIN")
    weak = database.url.replace("//limits", "//limits_test_weak", 1)
    try:
        with pytest.raises(DatabaseError, match="GRANT limits_auditor TO"):
            serving.check(database, settings.model_copy(update={"auditor_database_url": weak}))
    finally:
        conn.execute("DROP ROLE limits_test_weak")


def test_the_doctor_says_where_first_and_second_persons_come_on_one_login(
    database: Database, settings: Settings
) -> None:
    one = doctor._console(database, settings)
    assert (one.state, "LIMITS_APPROVER_DATABASE_URL" in one.mend) == ("warn", True)
    same = doctor._console(database, settings.model_copy(update={"approver_database_url": database.url}))
    assert same.state == "warn" and "both come on the login" in same.says


@pytest.mark.parametrize("given", ["10.0.0.1", "10.0.0.0/8, ::1"])
def test_proxies_are_addresses_or_networks(given: str) -> None:
    assert make_settings(web_proxies=given).web_proxies == given
    with pytest.raises(SettingsError, match="LIMITS_WEB_PROXIES"):
        make_settings(web_proxies=given + ",proxy.example")
    assert os.environ.get("LIMITS_WEB_PROXIES") is None
