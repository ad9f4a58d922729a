from __future__ import annotations

import re
import subprocess
import sys
from hashlib import sha256
from importlib import resources
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind, Scope
from burgee.serving.serving import Serving
from burgee.web.app import create_app
from burgee.web.console.pages import files
from burgee.web.front import Setup
from support.keys import bearer, release, service, token

if TYPE_CHECKING:
    from burgee.stores.sqlite import SqliteStore
    from burgee.web.app import Service

FLAGS = {"beta": {"status": True}}
CONSOLE = resources.files("burgee.web.console")
# The released file of htmx 2.0.11, as its package has it.
HTMX = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"


@pytest.fixture
def client(store: SqliteStore) -> TestClient:
    return service(store)


def test_the_entrance_leads_to_the_console(client: TestClient) -> None:
    for path in ("/", "/console"):
        answer = client.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (307, "/console/flags")


def test_the_shell_is_public_empty_and_allows_nothing_inline(client: TestClient, store: SqliteStore) -> None:
    release(store, {"secret_flag": {"status": True, "description": "not for strangers"}})
    pages = {client.get(path).text for path in ("/console/", "/console/flags", "/console/flags/secret_flag")}
    (page,) = pages
    assert "secret" not in page
    policy = client.get("/console/flags").headers["content-security-policy"]
    assert "unsafe" not in policy
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy.split("; "))
    assert "set-cookie" not in client.get("/console/flags").headers


def test_without_scripts_the_page_says_what_else_there_is(client: TestClient) -> None:
    page = client.get("/console/flags").text
    unscripted = page[page.index("<noscript>") : page.index("</noscript>")]
    assert "needs JavaScript" in unscripted
    assert 'href="/docs"' in unscripted
    assert page.count(" hidden>") == 2, "all else is hidden until the script shows it"


def test_no_template_has_a_script_a_style_or_a_handler() -> None:
    templates = [one for one in (CONSOLE / "templates").iterdir() if one.name.endswith(".j2")]
    assert templates
    for template in templates:
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|hx-on|javascript:|\|\s*safe\b", text), template.name
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), template.name


def test_files_have_addresses_of_their_content_and_are_kept_for_good(client: TestClient) -> None:
    page = client.get("/console/flags").text
    addresses = re.findall(r'(?:href|src)="(/console/static/[^"]+)"', page)
    assert len(addresses) == len(files())
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200
        assert sha256(answer.content).hexdigest()[:12] in address
        assert "immutable" in answer.headers["cache-control"]
    assert client.get("/console/static/console.000000000000.css").status_code == 404


def test_htmx_is_the_released_file_with_its_licence() -> None:
    assert sha256((CONSOLE / "static/htmx.min.js").read_bytes()).hexdigest() == HTMX
    assert "BSD" in (CONSOLE / "static/htmx.LICENSE").read_text(encoding="utf-8")


def test_fragments_need_a_key(client: TestClient) -> None:
    for path in ("/fragments/frame", "/fragments/flags"):
        assert client.get(path).status_code == 401


def test_fragments_wait_for_their_first_request(store: SqliteStore) -> None:
    def made(*, at_once: bool) -> Service:
        setup = Setup(ring=KeyRing(store))
        return create_app(store, Serving(store, refresh_seconds=0), setup, console_at_once=at_once)

    def routes(app: Service) -> list[tuple[str, str, str]]:
        return sorted((one.method, one.path, one.need) for one in app.front.routes.all)

    app, whole = made(at_once=False), made(at_once=True)
    assert not any("/fragments/" in path for _method, path, _need in routes(app))
    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/health").status_code == 200
    assert not app.has_fragments
    assert client.get("/fragments/flags").status_code == 401
    key = bearer(token(store, Kind.ADMIN, Scope.READ))
    assert client.get("/fragments/flags", headers=key).status_code == 200
    assert client.get("/fragments/keys", headers=key).status_code == 403
    assert routes(app) == routes(whole)


def test_the_management_api_is_imported_without_screens_and_the_engine_of_effects() -> None:
    heavy = ("burgee.diff", "burgee.web.console.screens", "jinja2")
    code = f"import sys, burgee.web.app; print([one for one in sys.modules if one.startswith({heavy})])"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "[]\n"
