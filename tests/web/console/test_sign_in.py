from __future__ import annotations

import base64
import hashlib
import json
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from burgee.serving.serving import Serving
from burgee.stores import Tenant
from burgee.web.app import create_app
from burgee.web.console.sign_in import SignIn, discovered
from burgee.web.exchange import Caller, Need
from burgee.web.front import Setup
from burgee.web.gateway import vouching
from support.console import shown
from support.http import handled, served
from support.keys import HOME, shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from starlette.types import Scope


class Issuer(BaseHTTPRequestHandler):
    """An issuer that signs everybody in, and checks PKCE as RFC 7636 says."""

    challenges: dict[str, dict[str, str]] = {}  # noqa: RUF012 - of one test

    @property
    def own(self) -> str:
        return f"http://{self.headers['Host']}"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/.well-known/openid-configuration":
            addresses = {"authorization_endpoint": f"{self.own}/authorize", "token_endpoint": f"{self.own}/token"}
            self.reply(200, json.dumps({"issuer": self.own, **addresses}).encode())
            return
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        self.challenges["code-1"] = asked
        self.send_response(302)
        self.send_header("Location", f"{asked['redirect_uri']}?code=code-1&state={asked['state']}")
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        sent = {key: values[0] for key, values in parse_qs(body).items()}
        asked = self.challenges.pop(sent["code"], {})
        digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
        fits = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked.get("code_challenge")
        same = sent["redirect_uri"] == asked.get("redirect_uri") and sent["client_id"] == asked.get("client_id")
        if fits and same:
            self.reply(200, json.dumps({"access_token": "token-of-ada", "token_type": "Bearer"}).encode())
        else:
            self.reply(400, b'{"error": "invalid_grant"}')

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def vouched(scope: Scope) -> Caller:
    """What API Gateway would have checked."""
    token = dict(scope["headers"]).get(b"authorization")
    return Caller(HOME, frozenset({Need.READ}), "ada") if token == b"Bearer token-of-ada" else Caller(HOME)


@pytest.fixture
def site() -> Iterator[str]:
    """A service behind a gateway, with the console's client at an issuer."""
    for store in shop({"beta": {"status": True}}):
        with ExitStack() as stack:
            issuer = stack.enter_context(handled(Issuer))
            setup = Setup(vouched=vouched, sign_in=SignIn(issuer, "console"))
            yield stack.enter_context(served(create_app(store, Serving(store, refresh_seconds=0), setup)))


def test_an_account_signs_in_by_pkce_and_leaves_nothing_behind(page_browser: Browser, site: str) -> None:
    with shown(page_browser) as console:
        page = console.page
        page.goto(f"{site}/console/flags/beta")
        page.get_by_role("button", name="Sign in with your company account").wait_for()
        console.sound()
        page.get_by_role("button", name="Sign in with your company account").click()
        console.arrives("beta")
        assert page.url == f"{site}/console/flags/beta", "neither code nor state stays in the address"
        kept = page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
        assert kept == '["",{},{}]'
        page.get_by_text("ada", exact=False).first.wait_for()
        page.goto(f"{site}/console/signed-in?code=code-9&state=of-another")
        page.get_by_text("This sign-in was not begun in this tab").wait_for()


def test_only_the_issuers_own_document_counts() -> None:
    with handled(Issuer) as issuer:
        assert discovered(issuer).token == f"{issuer}/token"
        with pytest.raises(ValueError, match="another issuer"):
            discovered(issuer.replace("127.0.0.1", "localhost") + "/")
    for unsafe in ("http://issuer.example", "ftp://127.0.0.1", "https://issuer.example/;script-src 'unsafe-inline'"):
        with pytest.raises(ValueError, match="not an https address"):
            discovered(unsafe)


@pytest.mark.parametrize(
    "scope",
    ["openid burgee:read burgee:write", "burgee/read burgee/write"],
    ids=["auth0", "cognito"],
)
def test_scopes_are_read_as_each_issuer_writes_them(scope: str) -> None:
    caller = vouching("jwt", Tenant())
    assert caller is not None
    claims = {"sub": "auth0|ada", "scope": scope, "token_use": "access", "client_id": "console"}
    found = caller({"aws.event": {"requestContext": {"authorizer": {"jwt": {"claims": claims}}}}})
    assert found is not None
    assert {Need.READ, Need.WRITE, Need.PROPOSE} <= found.may
    assert Need.RELEASE not in found.may
