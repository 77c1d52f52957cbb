"""The server process: binds first, so that a port in use is one sentence, then serves until it is told to stop."""

from __future__ import annotations

import socket

import uvicorn

from limits.console.app import create_app
from limits.console.context import Context
from limits.errors import SettingsError
from limits.settings import Settings, is_loopback
from limits.store.db import Database

#: Seconds that requests under way have when the server is told to stop.
GRACE_SECONDS = 20


def serve(database: Database, settings: Settings) -> None:
    """Serve the console until SIGTERM or SIGINT. SettingsError where the address cannot be had or may not be used."""
    if not is_loopback(settings.web_host) and settings.oidc_issuer is None:
        raise SettingsError(
            f"LIMITS_WEB_HOST is {settings.web_host}, which others reach, and nobody could sign in but by links of "
            "this machine: set LIMITS_OIDC_ISSUER, LIMITS_OIDC_CLIENT_ID and LIMITS_WEB_URL, or leave the host out"
        )
    context = Context(database, settings)
    listening = bind(settings.web_host, settings.web_port)
    app = create_app(context)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, lifespan="on",
        proxy_headers=settings.web_proxies is not None, forwarded_allow_ips=settings.web_proxies or "",
        timeout_graceful_shutdown=GRACE_SECONDS, limit_concurrency=500, h11_max_incomplete_event_size=32_768,
    )  # fmt: skip
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


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
