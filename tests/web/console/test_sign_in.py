from __future__ import annotations

import base64
import hashlib
import json
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from itertools import count
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
from burgee.web.protection.access import scoped
from support.console import shown
from support.http import handled, served
from support.keys import HOME, shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Route
    from starlette.types import Scope

    from support.console import Shown

COMPANY = "Sign in with your company account"
KEPT = "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])"


class Issuer(BaseHTTPRequestHandler):
    """An issuer that signs everybody in, and checks PKCE as RFC 7636 says. Its page lets no other page hold it."""

    challenges: dict[str, dict[str, str]] = {}  # noqa: RUF012 - of one test
    tokens = count(1)

    @property
    def own(self) -> str:
        return f"http://{self.headers['Host']}"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/.well-known/openid-configuration":
            addresses = {"authorization_endpoint": f"{self.own}/authorize", "token_endpoint": f"{self.own}/token"}
            self.reply(200, json.dumps({"issuer": self.own, **addresses}).encode())
            return
        if parts.path != "/authorize":
            self.reply(404, b"{}")
            return
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        self.challenges["code-1"] = asked
        back = f"{asked['redirect_uri']}?code=code-1&state={asked['state']}"
        self.reply(200, f"<title>Issuer</title><a href='{back}'>Go on as ada</a>".encode(), "text/html")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        sent = {key: values[0] for key, values in parse_qs(body).items()}
        asked = self.challenges.pop(sent["code"], {})
        digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
        fits = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked.get("code_challenge")
        same = sent["redirect_uri"] == asked.get("redirect_uri") and sent["client_id"] == asked.get("client_id")
        if fits and same:
            token = f"token-of-ada-{next(self.tokens)}"
            self.reply(200, json.dumps({"access_token": token, "token_type": "Bearer"}).encode())
        else:
            self.reply(400, b'{"error": "invalid_grant"}')

    def reply(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def vouched(scope: Scope) -> Caller:
    """What API Gateway would have checked."""
    token = dict(scope["headers"]).get(b"authorization", b"")
    return (
        Caller(HOME, scoped(("read", "write")), "ada") if token.startswith(b"Bearer token-of-ada-") else Caller(HOME)
    )


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
        page.get_by_role("button", name=COMPANY).wait_for()
        console.sound()
        page.get_by_role("button", name=COMPANY).click()
        page.get_by_role("link", name="Go on as ada").click()
        console.arrives("beta")
        assert page.url == f"{site}/console/flags/beta", "neither code nor state stays in the address"
        assert page.evaluate(KEPT) == '["",{},{}]'
        page.get_by_text("ada", exact=False).first.wait_for()
        page.goto(f"{site}/console/signed-in?code=code-9&state=of-another")
        page.get_by_text("This sign-in was not begun in this tab").wait_for()


def expire(page: Page) -> None:
    """API Gateway refuses every token that was issued so far, in its own words."""
    ended = f"Bearer token-of-ada-{next(Issuer.tokens)}"

    def answer(route: Route) -> None:
        token = route.request.headers.get("authorization", "")
        if (len(token), token) <= (len(ended), ended):
            route.fulfill(status=401, json={"message": "Unauthorized"})
        else:
            route.fallback()

    page.route("**/fragments/**", answer)
    page.route("**/kill", answer)


def signed_in(console: Shown, url: str, heading: str) -> None:
    console.page.goto(url)
    console.page.get_by_role("button", name=COMPANY).click()
    console.page.get_by_role("link", name="Go on as ada").click()
    console.arrives(heading)


def again(page: Page) -> Page:
    """Signs in in a window of its own, which is then closed."""
    with page.expect_popup() as opened:
        page.get_by_role("button", name=COMPANY).click()
    with opened.value.expect_event("close"):
        opened.value.get_by_role("link", name="Go on as ada").click()
    return opened.value


def test_what_was_typed_into_a_dialog_survives_the_end_of_a_token(page_browser: Browser, site: str) -> None:
    with shown(page_browser) as console:
        page = console.page
        signed_in(console, f"{site}/console/flags/beta", "beta")
        page.keyboard.press("x")
        page.get_by_role("button", name="Switch off for 2 h").wait_for()
        page.keyboard.type("orders fail")
        page.get_by_role("radio", name="8 h").check()
        expire(page)
        page.keyboard.press("Control+Enter")
        page.get_by_text("What you typed is here again after you sign in").wait_for()
        assert "orders fail" not in page.content()
        console.sound()
        again(page)
        page.get_by_role("button", name="Switch off for 8 h").wait_for()
        assert page.get_by_label("Reason").input_value() == "orders fail"
        assert page.evaluate(KEPT) == '["",{},{}]'
        page.keyboard.press("Control+Enter")
        page.get_by_role("heading", name="beta is off in production").wait_for()
        console.sound()


def test_what_was_typed_into_a_page_survives_the_end_of_a_token(page_browser: Browser, site: str) -> None:
    with shown(page_browser) as console:
        page = console.page
        signed_in(console, f"{site}/console/playground", "Playground")
        expire(page)
        page.get_by_label("Attributes").fill("country=DE")
        page.get_by_label("User").fill("user-17")
        page.keyboard.press("Enter")
        page.get_by_text("What you typed is here again after you sign in").wait_for()
        assert "country=DE" not in page.content()
        again(page)
        console.arrives("Playground")
        page.get_by_text("What you had typed is here again").wait_for(state="attached")
        assert page.get_by_label("Attributes").input_value() == "country=DE"
        assert page.get_by_label("User").input_value() == "user-17"
        assert page.url == f"{site}/console/playground"


def test_an_address_with_its_filter_survives_the_end_of_a_token(page_browser: Browser, site: str) -> None:
    with shown(page_browser) as console:
        page = console.page
        signed_in(console, f"{site}/console/flags", "Flags")
        expire(page)
        page.get_by_role("searchbox").fill("status:on")
        page.get_by_text("Your sign-in ended; sign in again.").wait_for()
        page.get_by_role("button", name=COMPANY).click()
        page.get_by_role("link", name="Go on as ada").click()
        console.arrives("Flags")
        assert page.url == f"{site}/console/flags?q=status%3Aon"


def test_a_blocked_window_is_said_before_anything_is_forgotten(page_browser: Browser, site: str) -> None:
    with shown(page_browser) as console:
        page = console.page
        page.add_init_script("window.open = () => null")
        signed_in(console, f"{site}/console/flags/beta", "beta")
        page.keyboard.press("x")
        page.get_by_role("button", name="Switch off for 2 h").wait_for()
        page.keyboard.type("orders fail")
        expire(page)
        page.keyboard.press("Control+Enter")
        page.get_by_role("button", name=COMPANY).click()
        page.get_by_text("Your browser blocked the window for signing in").wait_for()
        page.get_by_role("button", name=COMPANY).click()
        page.get_by_role("link", name="Go on as ada").click()
        console.arrives("beta")
        assert not page.locator("#dialog[open]").count()


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
