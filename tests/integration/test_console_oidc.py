"""Signing in at an OpenID provider of this machine: the whole way, and every way in which it must not go."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from joserfc import jwk, jwt
from structlog.testing import capture_logs

from limits.console import oidc
from limits.errors import SettingsError
from limits.settings import Settings
from limits.store.db import Connection, Database
from tests import provider as providers
from tests.provider import CLIENT, SECRET, Claims, Provider
from tests.web import HTML, Site, text_of


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providers.running() as made:
        yield made


@pytest.fixture
def site(database: Database, settings: Settings, provider: Provider) -> Site:
    more = {
        "oidc_issuer": provider.issuer, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET,
        "web_url": "http://localhost",
    }  # fmt: skip
    return Site(database, settings.model_copy(update=more))


def leave(client: TestClient) -> str:
    """The way to the provider and back, as a browser goes it: the address at which it comes back."""
    there = client.get("/sign-in/provider", headers=HTML)
    assert there.status_code == 303
    back = httpx.get(there.headers["location"], follow_redirects=False)
    return back.headers["location"].removeprefix("http://localhost")


def come_back(client: TestClient, address: str) -> httpx.Response:
    return client.get(address, headers=HTML | {"sec-fetch-site": "cross-site"})


def sign_in(site: Site) -> tuple[TestClient, httpx.Response]:
    client = site.nobody()
    return client, come_back(client, leave(client))


def is_refused(client: TestClient, answer: httpx.Response, words: str, status: int = 403) -> None:
    assert answer.status_code == status, text_of(answer)
    assert words in text_of(answer)
    assert "limits_session" not in answer.headers.get("set-cookie", "")
    assert client.get("/v1/reviews").status_code == 401


# The way --------------------------------------------------------------------------------------------------------------


def test_the_whole_way(site: Site, conn: Connection) -> None:
    client = site.nobody()
    page = client.get("/sign-in", headers=HTML)
    assert 'href="/sign-in/provider"' in page.text and "limits web link" not in page.text
    there = client.get("/sign-in/provider")
    asked = {key: value[0] for key, value in parse_qs(urlsplit(there.headers["location"]).query).items()}
    assert asked["redirect_uri"] == "http://localhost/sign-in/callback"
    assert len(asked["state"]) >= 43 and len(asked["nonce"]) >= 43 and len(asked["code_challenge"]) == 43
    way = there.headers["set-cookie"].lower()
    assert "httponly" in way and "samesite=lax" in way and "max-age=600" in way
    kept = conn.execute("SELECT state_hash, verifier, nonce FROM limits_console.sign_ins").fetchone()
    assert kept is not None and asked["state"] not in str(kept) and kept[1] not in there.headers["location"]

    answer = come_back(client, leave(client))
    assert answer.status_code == 200 and "ann.lee@bank.example" in text_of(answer)
    assert '<meta http-equiv="refresh" content="0; url=/">' in answer.text
    cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("limits_session="))
    assert "samesite=strict" in cookie.lower() and "httponly" in cookie.lower()
    assert answer.headers["cache-control"] == "no-store"
    assert client.get("/", headers=HTML).headers["location"] == "/reviews"
    row = conn.execute("SELECT actor, roles, how FROM limits_console.sessions").fetchone()
    assert row == ("ann.lee@bank.example", ["auditor", "risk"], site.context.settings.oidc_issuer)
    assert client.get("/v1/tokens").status_code == 403, "cleaner is no role, and admin was not given"


def test_signing_in_again_ends_the_session_before(site: Site, conn: Connection) -> None:
    client, _ = sign_in(site)
    old = client.cookies["limits_session"]
    come_back(client, leave(client))
    assert client.cookies["limits_session"] != old
    assert conn.execute("SELECT count(*) FROM limits_console.sessions").fetchone() == (1,)


@pytest.mark.parametrize(
    ("claim", "value", "roles"),
    [
        ("roles", "auditor", ["auditor"]),
        ("groups", ["admin", 7, None], ["admin"]),
        ("realm.access", {"realm": {"access": ["risk"]}}, ["risk"]),
        ("https://bank.example/roles", ["approver"], ["approver"]),
    ],
)
def test_roles_are_read_from_the_claim_of_the_settings(
    site: Site, provider: Provider, conn: Connection, claim: str, value: Any, roles: list[str]
) -> None:
    object.__setattr__(site.context.settings, "oidc_roles_claim", claim)
    provider.person = {"email": "a@b.example"} | (value if isinstance(value, dict) else {claim: value})
    sign_in(site)
    assert conn.execute("SELECT roles FROM limits_console.sessions").fetchall() == [(roles,)]


def test_keys_may_change(site: Site, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sign_in(site)[1].status_code == 200
    assert sign_in(site)[1].status_code == 200
    assert provider.asked.count("/keys") == provider.asked.count("/.well-known/openid-configuration") == 1
    provider.rotate()
    refused = sign_in(site)
    is_refused(*refused, "a key that the provider does not list")  # it was looked for a moment ago
    monkeypatch.setattr(oidc, "BETWEEN", 0.0)
    assert sign_in(site)[1].status_code == 200
    assert provider.asked.count("/keys") == 2


def test_elliptic_keys_count_too(site: Site, provider: Provider) -> None:
    key = jwk.ECKey.generate_key("P-256", {"kid": "ec"})
    provider.listed.append(key)
    provider.sign = lambda claims: jwt.encode({"alg": "ES256", "kid": "ec"}, claims, key)
    assert sign_in(site)[1].status_code == 200


# State, code, browser -------------------------------------------------------------------------------------------------


def test_a_state_that_nobody_left_with_is_refused(site: Site) -> None:
    client = site.nobody()
    back = leave(client)
    wrong = back.replace("state=", "state=x")
    is_refused(client, come_back(client, wrong), "not begun in this browser")
    is_refused(client, come_back(client, "/sign-in/callback"), "not begun in this browser")


def test_a_way_back_counts_once(site: Site) -> None:
    client = site.nobody()
    back = leave(client)
    assert come_back(client, back).status_code == 200
    client.cookies.delete("limits_session")
    is_refused(client, come_back(client, back), "was used before")


def test_the_browser_that_left_alone_can_come_back(site: Site) -> None:
    mallory, victim = site.nobody(), site.nobody()
    back = leave(mallory)
    is_refused(victim, come_back(victim, back), "not begun in this browser")
    leave(victim)  # the victim has a cookie of its own
    is_refused(victim, come_back(victim, back), "not begun in this browser")


def test_whoever_takes_too_long_begins_anew(site: Site, conn: Connection) -> None:
    client = site.nobody()
    back = leave(client)
    conn.execute("UPDATE limits_console.sign_ins SET ends_at = clock_timestamp()")
    is_refused(client, come_back(client, back), "took longer than 10 minutes")


def test_a_code_counts_once_and_for_its_own_way_alone(site: Site) -> None:
    client = site.nobody()
    code = parse_qs(urlsplit(leave(client)).query)["code"][0]
    back = leave(client)
    other = parse_qs(urlsplit(back).query)["code"][0]
    # Somebody else's code put into one's own way back: the verifier does not fit.
    is_refused(client, come_back(client, back.replace(other, code)), "did not take the code")


@pytest.mark.parametrize("query", ["error=access_denied", "error=%3Cscript%3E", "code="])
def test_a_refusal_of_the_provider_is_said(site: Site, query: str) -> None:
    client = site.nobody()
    state = parse_qs(urlsplit(leave(client)).query)["state"][0]
    answer = come_back(client, f"/sign-in/callback?state={state}&{query}")
    is_refused(client, answer, "The provider did not sign you in")
    assert "<script>" not in answer.text


@pytest.mark.parametrize("iss", ["http://127.0.0.1:1", "", None])
def test_an_answer_of_another_issuer_is_refused(site: Site, iss: str | None) -> None:
    client = site.nobody()
    query = {key: value[0] for key, value in parse_qs(urlsplit(leave(client)).query).items()}
    del query["iss"]
    answer = client.get("/sign-in/callback", params=query | ({} if iss is None else {"iss": iss}), headers=HTML)
    is_refused(client, answer, "not from the provider that was asked")


# ID tokens that do not count ------------------------------------------------------------------------------------------


def changed(**values: Any) -> Callable[[Claims], object]:
    return lambda claims: [
        claims.pop(key) if value is None else claims.update({key: value}) for key, value in values.items()
    ]


NOW = time.time()


WRONG_CLAIMS: list[tuple[Callable[[Claims], object], str]] = [
    (changed(nonce="another"), "nonce"),
    (changed(nonce=None), "nonce"),
    (changed(nonce=["another"]), "nonce"),
    (changed(aud="another"), "aud"),
    (changed(aud=None), "aud"),
    (changed(aud=["another", "third"]), "aud"),
    (changed(aud=[CLIENT, "another"]), "another application"),
    (changed(aud=[CLIENT, "another"], azp="another"), "another application"),
    (changed(azp="another"), "another application"),
    (changed(iss="http://127.0.0.1:1"), "iss"),
    (changed(iss=None), "iss"),
    (changed(sub=None), "sub"),
    (changed(exp=int(NOW) - 3600), "exp"),
    (changed(exp=None), "exp"),
    (changed(exp="tomorrow"), "exp"),
    (changed(iat=int(NOW) + 3600), "iat"),
    (changed(iat=None), "iat"),
    (changed(iat=int(NOW) - 3600), "too old"),
    (changed(nbf=int(NOW) + 3600), "nbf"),
]


def test_an_id_token_with_a_wrong_claim_signs_nobody_in(site: Site, provider: Provider) -> None:
    for change, words in WRONG_CLAIMS:
        provider.change = change
        is_refused(*sign_in(site), words)
    provider.change = changed()
    assert sign_in(site)[1].status_code == 200


def test_a_nonce_in_a_list_is_no_nonce(site: Site, provider: Provider) -> None:
    provider.change = lambda claims: claims.update(nonce=[claims["nonce"]])
    is_refused(*sign_in(site), "does not count")


def part(value: Any) -> str:
    return url64(json.dumps(value).encode())


def url64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def with_secret(header: Claims, claims: Claims, secret: bytes) -> str:
    said = f"{part(header)}.{part(claims)}"
    return f"{said}.{url64(hmac.new(secret, said.encode(), hashlib.sha256).digest())}"


def forged(provider: Provider, how: str) -> Callable[[Claims], str]:
    """Tokens that the provider's key did not sign."""
    other = jwk.RSAKey.generate_key(2048, {"kid": provider.key.kid})

    def sign(claims: Claims) -> str:
        if how == "none":
            return f"{part({'alg': 'none'})}.{part(claims)}."
        if how == "none, with a key":
            return f"{part({'alg': 'none', 'kid': provider.key.kid})}.{part(claims)}."
        if how == "the public key as a secret":
            return with_secret({"alg": "HS256", "kid": provider.key.kid}, claims, provider.key.as_pem(private=False))
        if how == "the client's secret":
            return with_secret({"alg": "HS256"}, claims, SECRET.encode())
        if how == "another key of that name":
            return jwt.encode({"alg": "RS256", "kid": provider.key.kid}, claims, other)
        if how == "a key that it brings along":
            header = {"alg": "RS256", "jwk": other.as_dict(private=False)}
            return jwt.encode(header, claims, other)
        if how == "changed afterwards":
            header, _, signature = provider._signed(claims).split(".")
            return f"{header}.{part(claims | {'roles': ['admin']})}.{signature}"
        return "no token"

    return sign


FORGED = [
    "none", "none, with a key", "the public key as a secret", "the client's secret", "another key of that name",
    "a key that it brings along", "changed afterwards", "nothing like it",
]  # fmt: skip


def test_a_token_that_the_provider_did_not_sign_signs_nobody_in(site: Site, provider: Provider) -> None:
    with capture_logs() as said:
        for how in FORGED:
            provider.sign = forged(provider, how)
            is_refused(*sign_in(site), "ID token")
    assert "ann.lee" not in str(said) and SECRET not in str(said)


# Who it is ------------------------------------------------------------------------------------------------------------


NOBODY: list[tuple[Claims, str]] = [
    ({"email": "a@b.example", "email_verified": False, "roles": ["risk"]}, "has not verified your email"),
    ({"email": "a@b.example", "email_verified": "false", "roles": ["risk"]}, "has not verified your email"),
    ({"roles": ["risk"]}, "no usable claim email"),
    ({"email": "", "roles": ["risk"]}, "no usable claim email"),
    ({"email": ["a@b.example"], "roles": ["risk"]}, "no usable claim email"),
    ({"email": "a\u202eb@b.example", "roles": ["risk"]}, "no usable claim email"),
    ({"email": "a" * 501, "roles": ["risk"]}, "no usable claim email"),
    ({"email": "Token nightly", "roles": ["risk"]}, "machines are called so"),
    ({"email": "a@b.example"}, "none of the roles"),
    ({"email": "a@b.example", "roles": ["cleaner", "Risk"]}, "none of the roles"),
    ({"email": "a@b.example", "roles": {"risk": True}}, "none of the roles"),
]


def test_a_person_without_a_name_or_a_role_is_refused(site: Site, provider: Provider) -> None:
    for person, words in NOBODY:
        provider.person = person
        is_refused(*sign_in(site), words)


# A provider in trouble ------------------------------------------------------------------------------------------------


def test_a_provider_that_is_down_is_said_and_others_go_on(site: Site, provider: Provider) -> None:
    person = site.person()
    client = site.nobody()
    provider.down = True
    answer = client.get("/sign-in/provider", headers=HTML)
    is_refused(client, answer, "status 500", 503)
    provider.down = False
    back = leave(client)
    provider.down = True
    is_refused(client, come_back(client, back), "status 500", 503)
    assert person.get("/reviews").status_code == 200


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"issuer": "https://other.example"}, "letter by letter"),
        ({"authorization_endpoint": "http://bank.example/authorize"}, "begins with https"),
        ({"authorization_endpoint": None}, "begins with https"),
        ({"filling": "x" * 1_000_001}, "too long"),
    ],
)
def test_a_document_that_cannot_be_used_is_said(site: Site, provider: Provider, document: Claims, words: str) -> None:
    provider.document |= document
    client = site.nobody()
    is_refused(client, client.get("/sign-in/provider", headers=HTML), words, 503)


def test_nobody_answers(database: Database, settings: Settings) -> None:
    more = {"oidc_issuer": "http://127.0.0.1:9", "oidc_client_id": CLIENT, "web_url": "http://localhost"}
    client = Site(database, settings.model_copy(update=more)).nobody()
    is_refused(client, client.get("/sign-in/provider", headers=HTML), "does not answer", 503)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"oidc_client_id": None}, "LIMITS_OIDC_CLIENT_ID is not set"),
        ({"web_url": None}, "LIMITS_WEB_URL is not set"),
        ({"oidc_issuer": "http://login.example"}, "LIMITS_OIDC_ISSUER has to begin with https"),
        ({"web_url": "http://limits.example"}, "LIMITS_WEB_URL has to begin with https"),
    ],
)
def test_settings_that_cannot_sign_anybody_in_are_said_at_the_start(
    database: Database, settings: Settings, more: dict[str, Any], words: str
) -> None:
    good = {"oidc_issuer": "https://login.example", "oidc_client_id": CLIENT, "web_url": "https://limits.example"}
    with pytest.raises(SettingsError, match=words):
        Site(database, settings.model_copy(update=good | more))


def test_without_a_provider_there_is_no_way_to_one(database: Database, settings: Settings) -> None:
    client = Site(database, settings).nobody()
    for address in ("/sign-in/provider", "/sign-in/callback?state=x&code=y"):
        assert client.get(address, headers=HTML).status_code == 404
