"""A setting that cannot be used is one plain sentence."""

from __future__ import annotations

import pytest

from limits.errors import SettingsError
from limits.settings import make_settings


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("shard_users", "0", "LIMITS_SHARD_USERS cannot be used: must be at least 1 (it is '0')"),
        ("shard_users", "many", "LIMITS_SHARD_USERS cannot be used: must be a whole number (it is 'many')"),
        ("chunk_users", "1.5", "LIMITS_CHUNK_USERS cannot be used: must be a whole number (it is '1.5')"),
        ("lease_seconds", "x", "LIMITS_LEASE_SECONDS cannot be used: must be a number (it is 'x')"),
        ("lease_seconds", "inf", "LIMITS_LEASE_SECONDS cannot be used: must be at most 3600 (it is 'inf')"),
        ("heartbeat_seconds", "0", "LIMITS_HEARTBEAT_SECONDS cannot be used: must be more than 0 (it is '0')"),
        ("concurrency", "9999", "LIMITS_CONCURRENCY cannot be used: must be at most 256 (it is '9999')"),
        ("log_level", "loud", "must be 'debug', 'info', 'warning' or 'error' (it is 'loud')"),
        ("actor", "x" * 501, "LIMITS_ACTOR cannot be used: must have at most 500 characters (it is 'xxx"),
        ("snapshot_store", "here", "LIMITS_SNAPSHOT_STORE cannot be used: must be a path that starts with /"),
        ("seal_key", "here", "LIMITS_SEAL_KEY cannot be used: must be a path that starts with /"),
        ("checkpoint_file", "a/b", "LIMITS_CHECKPOINT_FILE cannot be used: must be a path that starts with /"),
        ("public_keys", "~/k", "LIMITS_PUBLIC_KEYS cannot be used: must be a path that starts with /"),
        ("checkpoint_seconds", "-1", "LIMITS_CHECKPOINT_SECONDS cannot be used: must be at least 0 (it is '-1')"),
        (
            "log_anchor",
            "ftp://secret",
            "LIMITS_LOG_ANCHOR cannot be used: must be a command, or a URL that starts with",
        ),
        (
            "log_anchor",
            "sh -c 'open",
            "LIMITS_LOG_ANCHOR cannot be used: the command cannot be read: No closing quotation",
        ),
        (
            "outbox",
            "nowhere",
            "LIMITS_OUTBOX cannot be used: must be file:/PATH, command:PROGRAM ARGUMENTS or https://HOST/PATH",
        ),
        ("outbox", "http://10.0.0.1/", "http:// is for this machine alone"),
        ("outbox", "https://user:word@host/", "LIMITS_OUTBOX cannot be used: must be https://HOST/PATH with no user"),
        ("outbox", "https:///hook", "must be https://HOST/PATH"),
        ("outbox", "https://host:port/hook", "must be https://HOST/PATH"),
        ("outbox", "https://host/a b", "must be https://HOST/PATH"),
        (
            "outbox",
            "https://host/hook",
            "LIMITS_WEBHOOK_SECRET cannot be used: must be set where LIMITS_OUTBOX is a URL",
        ),
        (
            "webhook_secret",
            "hunter2",
            "LIMITS_WEBHOOK_SECRET cannot be used: must be whsec_ and 24 to 64 bytes as base64",
        ),
        ("webhook_secret", "whsec_c2hvcnQ=", "24 to 64 bytes"),
        ("webhook_secret", " ", "24 to 64 bytes"),
    ],
)
def test_a_value_that_cannot_be_used_is_a_plain_sentence(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make_settings(**{name: value})
    assert says in str(caught.value)
    assert "Input" not in str(caught.value) and "String" not in str(caught.value)


@pytest.mark.parametrize("target", ["https://anchor.example/?token=secret", "http://127.0.0.1:8/", "tee -a '/a b'"])
def test_an_anchor_is_a_url_or_a_command(target: str) -> None:
    assert make_settings(log_anchor=target).log_anchor == target


@pytest.mark.parametrize("values", [{"webhook_secret": "whsec_hunter2"}, {"outbox": "https://ann:hunter2@host/"}])
def test_a_secret_is_not_repeated(values: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        make_settings(**values)
    assert "hunter2" not in str(caught.value)


def test_an_anchor_that_cannot_be_used_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        make_settings(log_anchor="ftp://user:secret@host/")
    assert "secret" not in str(caught.value)
