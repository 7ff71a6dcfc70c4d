"""An OpenID Connect provider on this computer, small and strict: people are picked from a list."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, CLIENT_SECRET = "dashboard", "known to both sides of this test"
ALGORITHM = "RS256"
LIFETIME = 3600
"""Seconds that a token says it holds."""

Claims = Mapping[str, Any]
Answer = tuple[int, dict[str, str], bytes]


class Provider:
    """People who can sign in, and the codes that were given out.

    Parameters
    ----------
    url : str
        Its own address, the issuer of its tokens.
    people : mapping of subject to claims
    """

    def __init__(self, url: str, people: Mapping[str, Claims]) -> None:
        self.url = url
        self.people = people
        self._key = RSAKey.generate_key(2048, {"kid": "1", "alg": ALGORITHM, "use": "sig"})
        self._codes: dict[str, dict[str, str]] = {}

    def metadata(self) -> dict[str, Any]:
        """What a client finds at the well-known address."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "end_session_endpoint": f"{self.url}/leave",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        """Answer a GET."""
        if path == "/.well-known/openid-configuration":
            return _json(self.metadata())
        if path == "/keys":
            return _json({"keys": [self._key.as_dict(private=False)]})
        if path == "/authorize":
            return self._people(query)
        if path == "/agree":
            return self._agreed(query)
        if path == "/leave":
            return _redirect(query["post_logout_redirect_uri"])
        return _json({"error": "not found"}, status=404)

    def token(self, form: dict[str, str], authorization: str) -> Answer:
        """Exchange a code, once and for its own client alone."""
        asked = self._codes.pop(form.get("code", ""), None)
        wanted = base64.b64encode(f"{CLIENT}:{CLIENT_SECRET}".encode()).decode()
        if asked is None or authorization != f"Basic {wanted}":
            return _json({"error": "invalid_grant"}, status=400)
        if form.get("redirect_uri") != asked["redirect_uri"] or not _proved(form, asked):
            return _json({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = dict(self.people[asked["person"]])
        claims |= {"iss": self.url, "sub": asked["person"], "aud": CLIENT, "iat": now}
        claims |= {"exp": now + LIFETIME, "nonce": asked["nonce"]}
        signed = jwt.encode({"alg": ALGORITHM, "kid": "1"}, claims, self._key)
        token = {"access_token": secrets.token_hex(16), "token_type": "Bearer"}
        return _json(token | {"expires_in": LIFETIME, "id_token": signed})

    def _people(self, query: dict[str, str]) -> Answer:
        links = "".join(
            f'<p><a href="/agree?{urlencode({**query, "person": person})}">{person}</a></p>'
            for person in self.people
        )
        page = f"<!doctype html><html lang=en><title>Who are you?</title>{links}"
        return 200, {"Content-Type": "text/html"}, page.encode()

    def _agreed(self, query: dict[str, str]) -> Answer:
        code = secrets.token_hex(16)
        self._codes[code] = query
        back = urlencode({"code": code, "state": query["state"]})
        return _redirect(f"{query['redirect_uri']}?{back}")


def _proved(form: dict[str, str], asked: dict[str, str]) -> bool:
    """Whether whoever brings the code is who asked for it (PKCE), where that was used."""
    if "code_challenge" not in asked:
        return True
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]


def _json(content: object, *, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(content).encode()


def _redirect(url: str) -> Answer:
    return 302, {"Location": url}, b""


def _single(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text).items()}


@contextmanager
def provider(people: Mapping[str, Claims]) -> Iterator[Provider]:
    """Serve a provider on a free port of this computer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._send(served.answer(parts.path, _single(parts.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._send(served.token(_single(body), self.headers.get("Authorization", "")))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _send(self, answer: Answer) -> None:
            status, headers, body = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Provider(f"http://127.0.0.1:{server.server_port}", people)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
