"""OpenID Connect: the code flow with PKCE, against one provider. The only module that imports Authlib and joserfc.

A sign-in that cannot be had raises Problem: in one sentence, with nothing of what the provider sent but its own names.
"""

from __future__ import annotations

import functools
import re
import ssl
import threading
import time
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError
from pydantic import TypeAdapter, ValidationError

from limits.console.people import ROLES, Role
from limits.console.problems import Problem
from limits.errors import SettingsError
from limits.settings import Settings, is_loopback

log = structlog.get_logger()

#: Signatures that count: by a key that the provider alone has. Never "none", never one made with a shared secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
#: Seconds: for one answer of the provider as a whole, until its document and keys are asked for again, and between two
#: looks for a key that was unknown. How far two clocks may be apart, and how old an ID token may be.
PATIENCE, KEPT, BETWEEN, LEEWAY, OLDEST = 10.0, 3600.0, 10.0, 60, 900
#: Bytes of an answer of the provider, at most.
LONGEST = 1_000_000

_MAPPING = TypeAdapter(dict[str, Any])


@dataclass(frozen=True)
class SignedIn:
    """Whom the provider vouches for."""

    actor: str
    roles: tuple[Role, ...]


class Provider:
    """The identity provider of the settings; SettingsError where they cannot be used. Nothing is asked of it yet."""

    def __init__(self, settings: Settings) -> None:
        issuer, web_url = settings.oidc_issuer or "", settings.web_url or ""
        if not settings.oidc_client_id or not web_url:
            missing = "LIMITS_WEB_URL" if settings.oidc_client_id else "LIMITS_OIDC_CLIENT_ID"
            raise SettingsError(f"people cannot sign in at LIMITS_OIDC_ISSUER: {missing} is not set; set it too")
        for name, url in (("LIMITS_OIDC_ISSUER", issuer), ("LIMITS_WEB_URL", web_url)):
            if not _is_safe(url):
                raise SettingsError(f"{name} has to begin with https:// where people sign in over a network")
        self._settings, self._issuer, self._client_id = settings, issuer, settings.oidc_client_id
        self._redirect = web_url.rstrip("/") + "/sign-in/callback"
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}

    def address(self, state: str, nonce: str, verifier: str) -> str:
        """Where the browser is sent."""
        client = OAuth2Client(
            None, self._client_id, redirect_uri=self._redirect, scope="openid email profile",
            code_challenge_method="S256",
        )  # fmt: skip
        url, _ = client.create_authorization_url(
            self._endpoint("authorization_endpoint"), state=state, code_verifier=verifier, nonce=nonce
        )
        return str(url)

    def signed_in(self, code: str, verifier: str, nonce: str, iss: str | None) -> SignedIn:
        """Who came back with ``code``. ``iss``: what the way back says of the issuer (RFC 9207), if it does."""
        needs_iss = self._document().get("authorization_response_iss_parameter_supported") is True
        if iss != self._issuer if iss is not None else needs_iss:
            raise _refused("the answer is not from the provider that was asked")
        token = self._exchange(code, verifier).get("id_token")
        if not isinstance(token, str) or len(token) > 100_000:
            raise _trouble("it gave no ID token")
        claims = self._claims(token, nonce)
        return SignedIn(self._actor(claims), self._roles(claims))

    # What the provider says ---------------------------------------------------------------------------------------

    def _document(self) -> dict[str, Any]:
        found = self._get("document", self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != self._issuer:
            said = str(found.get("issuer"))[:200]
            raise _trouble(f"it calls itself {said!r}; LIMITS_OIDC_ISSUER has to be the same, letter by letter")
        return found

    def _endpoint(self, name: str) -> str:
        url = self._document().get(name)
        if not isinstance(url, str) or not _is_safe(url):
            raise _trouble(f"its document has no {name} that begins with https://")
        return url

    def _get(self, name: str, url: str, *, anew: bool = False) -> dict[str, Any]:
        """A document of the provider, kept for a while. ``anew``: asked for again where it is not quite new."""
        with self._lock:
            at, kept = self._kept.get(name, (0.0, {}))
            if kept and time.monotonic() - at < (BETWEEN if anew else KEPT):
                return kept
            got = _ask("GET", url, {}, None)
            self._kept[name] = (time.monotonic(), got)
            return got

    def _exchange(self, code: str, verifier: str) -> dict[str, Any]:
        url, secret = self._endpoint("token_endpoint"), self._settings.oidc_client_secret
        known = self._document().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        way = "client_secret_basic" if "client_secret_basic" in known else "client_secret_post"
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=self._redirect, code_verifier=verifier
        )
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        auth = ClientAuth(self._client_id, secret, way if secret else "none")
        url, headers, body = auth.prepare("POST", url, headers, body)
        return _ask("POST", url, headers, body)

    # What an ID token says ----------------------------------------------------------------------------------------

    def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """The claims, once signature, issuer, audience, times and nonce are right. Problem says which is not."""
        try:
            header = jws.extract_compact(token.encode()).headers()
            if header.get("alg") not in ALGORITHMS:
                raise _refused("its ID token is not signed in a way that counts here")
            found = jwt.decode(token, self._key(header), algorithms=ALGORITHMS)
            claims = _MAPPING.validate_python(found.claims)
            jwt.JWTClaimsRegistry(
                leeway=LEEWAY,
                iss={"essential": True, "value": self._issuer},
                aud={"essential": True, "value": self._client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("an ID token was refused", why=type(error).__name__)
            raise _refused(f"its ID token does not count ({_words(error)})") from None
        # A token for others too has to say that it was given to us; iss, aud and nonce are compared as whole values.
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self._client_id) != self._client_id:
            raise _refused("its ID token was given to another application")
        if any(not isinstance(claims[name], str) for name in ("iss", "nonce")):
            raise _refused("its ID token does not count (issuer or nonce is no text)")
        if claims["iat"] < time.time() - OLDEST:
            raise _refused("its ID token is too old")
        return claims

    def _key(self, header: Mapping[str, Any]) -> Any:
        """The provider's key that the token names; asked for again where it is unknown, for keys change."""
        for anew in (False, True):
            listed = self._get("keys", self._endpoint("jwks_uri"), anew=anew).get("keys")
            keys = [
                one
                for one in (listed if isinstance(listed, list) else [])
                if isinstance(one, dict) and one.get("kty") in ("RSA", "EC") and one.get("use", "sig") == "sig"
            ]
            kid = header.get("kid")
            fitting = [one for one in keys if one.get("kid") == kid] if kid is not None else keys
            # Without a name it has to be the only one.
            if len(fitting) == 1 and fitting[0].get("alg", header["alg"]) == header["alg"]:
                return jwk.import_key(fitting[0])
        raise _refused("its ID token is signed by a key that the provider does not list")

    def _actor(self, claims: Mapping[str, Any]) -> str:
        name = self._settings.oidc_actor_claim
        actor = _claim(claims, name)
        actor = actor.strip() if isinstance(actor, str) else ""
        if not actor or len(actor) > 500 or not actor.isprintable():
            raise _refused(f"its ID token has no usable claim {name}, which the log would know you by")
        if name == "email" and claims.get("email_verified", True) not in (True, "true"):
            raise _refused("the provider has not verified your email address")
        if re.match(r"\s*token\s", unicodedata.normalize("NFKC", actor).casefold()):
            raise _refused("a person's name cannot begin with the word token: machines are called so")
        return actor

    def _roles(self, claims: Mapping[str, Any]) -> tuple[Role, ...]:
        name = self._settings.oidc_roles_claim
        given = _claim(claims, name)
        texts = {given} if isinstance(given, str) else {one for one in _list(given) if isinstance(one, str)}
        roles = tuple(role for role in ROLES if role in texts)
        if not roles:
            raise _refused(f"none of the roles {', '.join(ROLES)} is in the claim {name} of your ID token")
        return roles


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name; where none is called so, a name with points leads into claims inside of claims."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else []


def _ask(method: str, url: str, headers: dict[str, str], body: str | None) -> dict[str, Any]:
    """The provider's answer, a JSON object; Problem where there is none in time, or it is too long."""
    until = time.monotonic() + PATIENCE
    parts, size = [], 0
    try:
        with (
            httpx.Client(timeout=PATIENCE / 2, follow_redirects=False, verify=_authorities()) as client,
            client.stream(method, url, headers=headers | {"accept-encoding": "identity"}, content=body) as answer,
        ):
            # Raw: a few bytes that unpack to very many are no answer.
            for part in answer.iter_raw(65_536):
                parts.append(part)
                size += len(part)
                if size > LONGEST or time.monotonic() > until:
                    raise _trouble("its answer is too long or too slow")
            status = answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.warning("the identity provider does not answer", why=type(error).__name__)
        raise _trouble("it does not answer") from None
    if method == "POST" and status in (400, 401):
        log.warning("the identity provider refused a code", status=status)
        raise _refused("the provider did not take the code that you came back with; sign in anew")
    if status != 200:
        raise _trouble(f"it answers with status {status}")
    try:
        return _MAPPING.validate_json(b"".join(parts))
    except ValidationError:
        raise _trouble("its answer is not a JSON object") from None


@functools.cache
def _authorities() -> ssl.SSLContext:
    """Whom TLS trusts; read once, because it takes longer than asking."""
    return httpx.create_ssl_context()


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def _words(error: Exception) -> str:
    """What joserfc calls the error; never a value of the token."""
    claim = getattr(error, "claim", None)
    kind = str(getattr(error, "error", "") or "not_readable").replace("_", " ")
    return f"{kind}: {claim}" if isinstance(claim, str) and claim.isidentifier() else kind


def _refused(words: str) -> Problem:
    return Problem(403, "sign-in-refused", f"you are not signed in: {words}")


def _trouble(words: str) -> Problem:
    return Problem(503, "provider-unavailable", f"nobody can sign in at the identity provider now: {words}")
