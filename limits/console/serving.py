"""The server process: binds first, so that a port in use is one sentence, then serves until it is told to stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from limits.console.app import create_app
from limits.console.connections import Places, counting
from limits.console.context import LOGINS, Context, role_of
from limits.errors import SettingsError
from limits.settings import Settings, is_loopback
from limits.store.db import Database

#: Seconds that requests under way have when the server is told to stop.
GRACE_SECONDS = 20
#: Connections of all together; one more is answered with 503.
CONNECTIONS = 500


def serve(database: Database, settings: Settings, listening: Callable[[], None] = lambda: None) -> None:
    """Serve the console until SIGTERM or SIGINT; calls ``listening`` when browsers can come.

    SettingsError where the address cannot be had or may not be used; DatabaseError where a login lacks a role.
    """
    context = check(database, settings)
    bound = bind(settings.web_host, settings.web_port)
    config = config_of(create_app(context), settings)
    # The server ends by itself at SIGTERM and then raises it once more: what stands around us shall end in order too.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with bound:
        bound.listen(config.backlog)
        listening()
        uvicorn.Server(config).run(sockets=[bound])


def config_of(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How the application is served."""
    places = Places(settings.web_connections, settings.web_proxies)
    return uvicorn.Config(
        app, http=counting(places), ws="none", log_config=None, access_log=False, server_header=False, lifespan="on",
        proxy_headers=settings.web_proxies is not None, forwarded_allow_ips=settings.web_proxies or "",
        timeout_graceful_shutdown=GRACE_SECONDS, limit_concurrency=CONNECTIONS, h11_max_incomplete_event_size=32_768,
    )  # fmt: skip


def check(database: Database, settings: Settings) -> Context:
    """The context, where these settings can be served and every login has its role; LimitsError says why not."""
    if settings.oidc_issuer is None and not is_loopback(settings.web_host):
        raise SettingsError(
            f"LIMITS_WEB_HOST is {settings.web_host}, which others reach, and nobody could sign in but by links of "
            "this machine: set LIMITS_OIDC_ISSUER, LIMITS_OIDC_CLIENT_ID and LIMITS_WEB_URL, or leave the host out"
        )
    context = Context(database, settings)
    for login in LOGINS:
        # Said now, with the grant that is missing, and not to the first person who needs it.
        context.database(login).connect(role_of(login), "limits web").close()
    return context


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; SettingsError names the address where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise SettingsError(
            f"{host} port {port} cannot be had: {error.strerror}; set LIMITS_WEB_PORT to another one"
        ) from None
    return made


def address(settings: Settings) -> str:
    """Where people find the console, without a slash at the end."""
    if settings.web_url is not None:
        return settings.web_url.rstrip("/")
    host = f"[{settings.web_host}]" if ":" in settings.web_host else settings.web_host
    return f"http://{host}:{settings.web_port}"
