"""What can be set from outside: environment variables that start with LIMITS_, checked once.

docs/operations.md has a row for each.
"""

from __future__ import annotations

import base64
import functools
import ipaddress
import os
import re
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from limits.errors import SettingsError
from limits.policy_text import plain


class Settings(BaseSettings):
    """The settings; no field is a secret except the passwords inside the two URLs."""

    model_config = SettingsConfigDict(env_prefix="LIMITS_", env_ignore_empty=True, frozen=True, extra="ignore")

    #: Where the truth is. None: a PostgreSQL of our own under ``home``.
    database_url: str | None = None
    #: Where Celery's messages go. None: through the same PostgreSQL.
    broker_url: str | None = None
    #: Folder of the embedded database and of error reports. None: see ``home_dir``.
    home: Path | None = None
    #: Policy pack by name, a TOML file, or a folder of them.
    policy: str = "standard"
    #: Who acts, as the log shall say, where no option names another.
    actor: Annotated[str, Field(max_length=500)] | None = None
    #: Users in one shard of a review, at most.
    shard_users: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    #: Users decided and applied in one transaction.
    chunk_users: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    #: How long a shard belongs to a worker that says nothing.
    lease_seconds: Annotated[float, Field(ge=1, le=3600)] = 30.0
    #: How often a worker says that it is alive.
    heartbeat_seconds: Annotated[float, Field(gt=0, le=10)] = 5.0
    #: How often the scheduler looks for reviews that are owed or unfinished.
    tick_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 10.0
    #: Worker processes of `limits worker`. None: one per core.
    concurrency: Annotated[int, Field(ge=1, le=256)] | None = None
    #: Where messages to users go: ``file:/PATH``, ``command:PROGRAM ARGUMENTS`` or an https URL. None: they wait.
    outbox: Annotated[str, Field(max_length=4000)] | None = None
    #: What messages that are posted to a URL are signed with: whsec_..., several with spaces between while it changes.
    webhook_secret: Annotated[str, Field(max_length=4000)] | None = None
    #: For how many days snapshots are kept at least after their last use: `limits snapshot prune` refuses fewer.
    snapshot_days: Annotated[int, Field(ge=1, le=100_000)] = 1830
    #: Folder for the bytes of snapshots, the same on every machine. None: the database holds them.
    snapshot_store: Path | None = None
    #: File of the private key that signs the log's checkpoints. None: see ``seal_paths``.
    seal_key: Path | None = None
    #: File outside the database that each checkpoint of the log is added to. None: see ``seal_paths``.
    checkpoint_file: Path | None = None
    #: File of the public keys that checkpoints are checked with. None: see ``seal_paths``.
    public_keys: Path | None = None
    #: A checkpoint is signed after so long even where nothing is new. 0: never.
    checkpoint_seconds: Annotated[float, Field(ge=0, le=86_400)] = 3600.0
    #: Second anchor of checkpoints: a command that takes each on its standard input, or an http(s) URL.
    log_anchor: Annotated[str, Field(max_length=4000)] | None = None
    #: Where `limits web` listens: this machine alone, unless people sign in at an identity provider.
    web_host: Annotated[str, Field(max_length=255)] = "127.0.0.1"
    #: Port of the console and the API.
    web_port: Annotated[int, Field(ge=1, le=65_535)] = 8321
    #: The address under which people reach the console, such as https://limits.example. None: host and port.
    web_url: Annotated[str, Field(max_length=1000, pattern=r"^https?://[^/\s]+/?$")] | None = None
    #: Reverse proxies in front of the console, whose word counts for the address of who asks: addresses or networks.
    web_proxies: Annotated[str, Field(max_length=1000)] | None = None
    #: Connections of one address at a time, of the 500 of all. Not of this machine, nor of web_proxies.
    web_connections: Annotated[int, Field(ge=1, le=500)] = 100
    #: Login of second persons in the console, with limits_operations. None: that of database_url; names alone differ.
    approver_database_url: str | None = None
    #: Login of the auditor's pages, with limits_auditor alone. None: that of database_url, acting as limits_auditor.
    auditor_database_url: str | None = None
    #: Identity provider (OpenID Connect) at which people sign in. None: one-time links of this machine.
    oidc_issuer: Annotated[str, Field(max_length=1000, pattern=r"^https?://[^\s]+$")] | None = None
    #: What the provider knows the console as.
    oidc_client_id: Annotated[str, Field(max_length=500)] | None = None
    #: What the console proves that with. None: by PKCE alone.
    oidc_client_secret: Annotated[str, Field(max_length=4000)] | None = None
    #: The claim with a person's name for the log; it has to be of one person alone and never given to another.
    oidc_actor_claim: Annotated[str, Field(max_length=100)] = "email"
    #: The claim with a person's roles, a list of texts.
    oidc_roles_claim: Annotated[str, Field(max_length=100)] = "roles"
    #: Whether /metrics is told to other machines too. It counts and names nobody, but shows how busy one is.
    metrics_open: bool = False
    #: From which level on log lines are written to standard error.
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("database_url", "approver_database_url", "auditor_database_url")
    @classmethod
    def _is_postgres(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("postgresql://", "postgres://")):
            raise ValueError("must start with postgresql://")
        return url

    @field_validator("broker_url")
    @classmethod
    def _is_broker(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("amqp://", "amqps://", "redis://", "rediss://")):
            raise ValueError("must start with amqp://, amqps://, redis:// or rediss://")
        return url

    @field_validator("web_proxies")
    @classmethod
    def _is_networks(cls, proxies: str | None) -> str | None:
        for one in (proxies or "").split(",") if proxies is not None else ():
            ipaddress.ip_network(one.strip())  # ValueError says what is wrong
        return proxies

    @field_validator("actor")
    @classmethod
    def _is_words(cls, actor: str | None) -> str | None:
        # It stands in the log for ever.
        if actor is not None and (not actor.strip() or not actor.isprintable()):
            raise ValueError("must be a name of printable characters")
        return actor

    @field_validator("outbox")
    @classmethod
    def _is_outbox(cls, outbox: str | None) -> str | None:
        if outbox is None:
            return None
        kind, _, rest = outbox.partition(":")
        if kind in ("http", "https"):
            _check_webhook(outbox)
            return outbox
        try:
            words = shlex.split(rest) if kind == "command" else []
        except ValueError as error:
            raise ValueError(f"the command cannot be read: {error}") from None
        # Said in full, because a command taken for a file would swallow what users are to be told.
        if not (kind == "file" and rest.startswith("/")) and not any(words[:1]):
            raise ValueError("must be file:/PATH, command:PROGRAM ARGUMENTS or https://HOST/PATH")
        return outbox

    @field_validator("webhook_secret")
    @classmethod
    def _is_webhook_secret(cls, secret: str | None, info: ValidationInfo) -> str | None:
        if secret is None:
            if (info.data.get("outbox") or "").startswith(("http://", "https://")):
                raise ValueError("must be set where LIMITS_OUTBOX is a URL: what is posted is signed with it")
            return None
        webhook_keys(secret)
        return secret

    @field_validator("snapshot_store", "seal_key", "checkpoint_file", "public_keys")
    @classmethod
    def _is_whole_path(cls, path: Path | None) -> Path | None:
        # Worker, scheduler, sealer and auditor stand in folders of their own.
        if path is not None and not path.is_absolute():
            raise ValueError("must be a path that starts with /")
        return path

    @field_validator("log_anchor")
    @classmethod
    def _is_anchor(cls, anchor: str | None) -> str | None:
        if anchor is None or re.fullmatch(r"https?://[^\s/]\S*", anchor):
            return anchor
        try:
            words = shlex.split(anchor)
        except ValueError as error:
            raise ValueError(f"the command cannot be read: {error}") from None
        if not any(words[:1]) or "://" in words[0]:
            raise ValueError("must be a command, or a URL that starts with https:// or http://")
        return anchor

    @property
    def embedded(self) -> bool:
        """Whether the database is the product's own."""
        return self.database_url is None


@functools.cache
def get_settings() -> Settings:
    """The settings of this process; SettingsError names the variable that cannot be used."""
    return make_settings()


def make_settings(**values: Any) -> Settings:
    """Settings from the environment with some values given; SettingsError names what cannot be used."""
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = f"LIMITS_{str(first['loc'][0]).upper()}" if first["loc"] else "the settings"
        # The value may hold a password, so it is not repeated.
        shown = (
            ""
            if name.endswith(("_URL", "_ANCHOR", "_SECRET", "_OUTBOX"))
            else f" (it is {str(first.get('input'))[:80]!r})"
        )
        raise SettingsError(f"{name} cannot be used: {plain(first)}{shown}") from None


def webhook_keys(secret: str) -> list[bytes]:
    """The keys of LIMITS_WEBHOOK_SECRET, as Standard Webhooks writes them. ValueError in words."""
    keys = []
    for word in secret.split():
        kind, _, text = word.partition("_")
        try:
            keys.append(base64.b64decode(text, validate=True) if kind == "whsec" else b"")
        except ValueError:
            keys.append(b"")
    if not keys or any(not 24 <= len(key) <= 64 for key in keys):
        raise ValueError("must be whsec_ and 24 to 64 bytes as base64; several with spaces between")
    return keys


def _check_webhook(url: str) -> None:
    """ValueError unless a URL may take messages. Which machine it is stands to the operator: it is their setting."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if not host or parts.fragment or parts.username or parts.password or re.search(r"[\s\x00-\x1f]", url):
        raise ValueError("must be https://HOST/PATH with no user, no password and no # in it")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must be https://...: http:// is for this machine alone, such as http://127.0.0.1:8080/")


class SealPaths(NamedTuple):
    """Files of the sealer: private key, checkpoints, public keys."""

    key: Path
    checkpoints: Path
    public_keys: Path


def seal_paths(settings: Settings) -> SealPaths:
    """Where the settings say, else in the folder ``seal`` of the home; nothing is made here."""
    folder = home_dir(settings) / "seal"
    return SealPaths(
        settings.seal_key or folder / "key",
        settings.checkpoint_file or folder / "checkpoints",
        settings.public_keys or folder / "public_keys",
    )


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def home_dir(settings: Settings) -> Path:
    """Folder of our own: LIMITS_HOME, else ``limits`` in the user's data folder (XDG), never created here.

    As root it is /var/lib/limits: the embedded server runs as another user then, who cannot
    enter /root.
    """
    if settings.home is not None:
        try:
            return settings.home.expanduser().absolute()
        except RuntimeError as error:
            raise SettingsError(f"LIMITS_HOME cannot be used: {error}; write the path in full") from error
    if os.geteuid() == 0:
        return Path("/var/lib/limits")
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share") / "limits"
