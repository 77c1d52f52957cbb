"""An OpenID provider on a port of this machine, which does what it is told: also what no provider should."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwk, jwt

CLIENT, SECRET = "limits-console", "s3cret of the console"

Claims = dict[str, Any]

#: Made once: it takes a while.
KEY: Any = jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})


class Provider:
    """The provider. Change its fields to have it do wrong."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.key: Any = KEY
        self.listed: list[Any] = [self.key]
        self.document: Claims = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_response_iss_parameter_supported": True,
        }
        #: What the ID token says beside what it has to, and what is done to it last.
        self.person: Claims = {"email": "ann.lee@bank.example", "roles": ["risk", "auditor", "cleaner"]}
        self.change: Callable[[Claims], object] = lambda claims: None
        self.sign: Callable[[Claims], str] = self._signed
        self.down = False
        self.asked: list[str] = []
        self._codes: dict[str, Claims] = {}

    def _signed(self, claims: Claims) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key, algorithms=["RS256"])

    def rotate(self) -> None:
        """A new key in place of the old one."""
        self.key = jwk.RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})
        self.listed = [self.key]

    def answer(self, method: str, target: str, headers: Any, body: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        path = urlsplit(target).path
        self.asked.append(path)
        if self.down:
            return 500, {}, b"no"
        if path == "/.well-known/openid-configuration":
            return 200, {}, json.dumps(self.document).encode()
        if path == "/keys":
            return 200, {}, json.dumps({"keys": [key.as_dict(private=False) for key in self.listed]}).encode()
        if path == "/authorize":
            return 302, {"location": self._authorize(dict(parse_qsl(urlsplit(target).query)))}, b""
        assert (method, path) == ("POST", "/token")
        return self._token(headers, {key: value[0] for key, value in parse_qs(body).items()})

    def _authorize(self, asked: dict[str, str]) -> str:
        """Where the browser is sent back to: nobody is asked for a password here."""
        assert asked["response_type"] == "code" and asked["client_id"] == CLIENT and asked["tenant"] == "1"
        assert asked["code_challenge_method"] == "S256" and "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"], "iss": self.issuer})

    def _token(self, headers: Any, given: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        basic = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self._codes.pop(given.get("code", ""), None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(given["code_verifier"].encode()).digest()).decode().rstrip("=")
        known = headers.get("authorization") == basic
        if not known or asked is None or asked["redirect_uri"] != given["redirect_uri"]:
            return 400, {}, b'{"error": "invalid_grant"}'
        if proof != asked["code_challenge"] or given["grant_type"] != "authorization_code":
            return 400, {}, b'{"error": "invalid_grant"}'
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": "u-1", "iat": now, "exp": now + 300, "nonce": asked["nonce"],
        } | self.person  # fmt: skip
        self.change(claims)
        told = {"access_token": "x", "token_type": "Bearer", "id_token": self.sign(claims)}
        return 200, {"cache-control": "no-store"}, json.dumps(told).encode()


@contextlib.contextmanager
def running() -> Iterator[Provider]:
    """A provider that answers for as long as it lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length).decode()
            status, headers, answer = provider.answer(self.command, self.path, self.headers, body)
            self.send_response(status)
            for name, value in ({"content-length": str(len(answer))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
