"""Each screen in Chromium: its main path by keyboard, WCAG in every mode, and the content security policy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind, Scope, listed
from burgee.cli.recording import LocalReports
from burgee.releases.deploy import write
from burgee.releases.guarding import run
from burgee.releases.overrides import killed, lay, lift
from burgee.serving.serving import Serving
from burgee.web.app import create_app
from burgee.web.front import Setup
from support.console import MODES, shown
from support.experiments import FILE, crowd, written
from support.http import served
from support.keys import ALL, act, expired, shop, token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from burgee.stores.sqlite import SqliteStore

BAD = "\"'><img src=x onerror=alert(1)>{{7*7}}<script>alert(2)</script>"
FLAGS: dict[str, Any] = {
    "beta": {"status": True, "rollout_percentage": 25, "owner": "search", "description": "New search"},
    "checkout": {
        "status": True,
        "variants": {"control": "blue", "green": "green"},
        "off_variant": "control",
        "rules": [{"name": "Germany", "when": {"country": "DE"}, "rollout_percentage": 40, "serve": "green"}],
        "default": {"serve": "control"},
    },
    "raised": {
        "status": True,
        "rollout_percentage": 0,
        "guard": {"steps": [10, 50, 100], "hold": "1h", "alarms": ["checkout-5xx"]},
    },
    "hostile": {
        "status": True,
        "description": BAD,
        "owner": BAD,
        "tags": [BAD],
        "rules": [{"name": BAD, "when": {"country": BAD}, "serve": "on"}],
        "rollout_percentage": 5,
    },
}


@pytest.fixture(scope="module")
def store() -> Iterator[SqliteStore]:
    off, why = killed(FLAGS["checkout"]), act()._replace(reason=BAD)
    for made in shop(FLAGS):
        write(made, lambda state, git: lay(state, git, "checkout", off, why))
        run(made, time.time, lambda _plan, _state: None, {"checkout-5xx": False})
        yield made


@pytest.fixture(scope="module")
def opened(store: SqliteStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that is open, as on a loopback address, with the records of an experiment."""
    folder = tmp_path_factory.mktemp("experiments")
    (folder / "flags.yaml").write_text(FILE, encoding="utf-8")
    written(folder / ".burgee/events", crowd(100))
    reports = LocalReports(folder / "flags.yaml", "shop", "production")
    with served(create_app(store, Serving(store, refresh_seconds=0), Setup(), reports)) as url:
        yield url


@pytest.fixture(scope="module")
def keyed(store: SqliteStore) -> Iterator[str]:
    """A service that asks for keys."""
    with served(create_app(store, Serving(store, refresh_seconds=0), Setup(ring=KeyRing(store)))) as url:
        yield url


SCREENS = [
    ("changes", "What changed"),
    ("releases", "Releases"),
    ("releases/1", "Release 1"),
    ("playground", "Playground"),
    ("health", "Health"),
    ("rollouts", "Rollouts"),
    ("proposals", "Proposals"),
    ("experiments", "Experiments"),
    ("experiments/button", "button"),
    ("keys", "Keys"),
    ("flags", "Flags"),
    ("flags/checkout", "checkout"),
    ("flags/raised", "raised"),
    ("flags/hostile", "hostile"),
]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: f"{mode[0]}-{mode[1]}")
def test_every_screen_is_sound(page_browser: Browser, opened: str, mode: tuple[str, int, int]) -> None:
    with shown(page_browser, mode) as console:
        for path, heading in SCREENS:
            console.visit(f"{opened}/console/{path}", heading)
            console.sound()


def test_the_documentation_is_sound(page_browser: Browser, opened: str) -> None:
    for mode in MODES[1:3]:
        with shown(page_browser, mode) as console:
            console.visit(f"{opened}/docs", "Burgee's API")
            console.page.get_by_text("Switch a flag off now").click()
            console.sound()


def test_a_key_signs_in_and_a_reload_signs_out(page_browser: Browser, keyed: str, store: SqliteStore) -> None:
    with shown(page_browser) as console:
        page = console.page
        page.goto(f"{keyed}/console/")
        page.get_by_label("An admin key").wait_for()
        console.sound()
        for refused, why in [
            ("", "A key is needed"),
            (token(store, Kind.SERVER), "This is not an admin key"),
            (expired(store, Kind.ADMIN, *ALL), "Unknown key"),
        ]:
            page.get_by_label("An admin key").fill(refused)
            page.keyboard.press("Enter")
            page.get_by_role("alert").filter(has_text=why).wait_for()
        page.get_by_label("An admin key").fill(token(store, Kind.ADMIN, *ALL))
        page.keyboard.press("Enter")
        console.arrives("Flags")
        kept = page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
        assert kept == '["",{},{}]'
        page.reload()
        page.get_by_label("An admin key").wait_for()
        assert "checkout" not in page.content()


def test_the_list_is_used_by_keyboard_alone(page_browser: Browser, opened: str) -> None:
    with shown(page_browser) as console:
        page = console.page
        console.visit(f"{opened}/console/", "Flags")
        page.keyboard.press("/")
        page.keyboard.type("owner:search")
        page.wait_for_url("**/console/?q=owner%3Asearch")
        page.get_by_role("row", name="checkout").wait_for(state="detached")
        assert page.get_by_role("searchbox").evaluate("one => one === document.activeElement")
        page.keyboard.press("Control+a")
        page.keyboard.press("Delete")
        page.get_by_role("row", name="checkout").wait_for()
        page.keyboard.press("Escape")  # leaves the field: single keys work again
        page.keyboard.press("j")
        page.keyboard.press("j")
        assert (
            page.evaluate("document.activeElement.textContent") == "raised"
        )  # beside checkout, what differs is first
        console.sound()


def test_a_store_that_is_down_is_said_with_what_to_do(page_browser: Browser, opened: str) -> None:
    with shown(page_browser) as console:
        page = console.page
        console.visit(f"{opened}/console/", "Flags")
        problem = '{"status": 503, "title": "store unavailable", "detail": "evaluation continues"}'
        page.route("**/fragments/flags*", lambda route: route.fulfill(status=503, body=problem))
        page.get_by_role("link", name="Flags", exact=True).click()
        page.get_by_role("heading", name="The store does not answer").wait_for()
        console.sound()
        page.unroute("**/fragments/flags*")
        page.get_by_role("button", name="Try again").click()
        console.arrives("Flags")


def test_a_service_that_does_not_answer_is_said_and_what_was_typed_stays(page_browser: Browser, opened: str) -> None:
    with shown(page_browser) as console:
        page = console.page
        refused: list[str] = []  # one route, set before anything is asked: a request could slip by while one is set
        page.route(
            "**/fragments/**",
            lambda route: route.abort() if any(one in route.request.url for one in refused) else route.continue_(),
        )
        console.visit(f"{opened}/console/flags/beta", "beta")
        for key, part in (("x", "/off"), ("Control+k", "/find")):
            refused[:] = [part]
            page.keyboard.press(key)
            page.get_by_role("dialog").get_by_role("heading", name="The service does not answer").wait_for()
            page.keyboard.press("Escape")
            page.get_by_role("dialog").wait_for(state="detached")
        refused[:] = []
        page.keyboard.press("x")
        page.get_by_role("button", name="Switch off for 2 h").wait_for()
        page.get_by_label("Reason").fill("p99 is 4 s")
        refused[:] = ["/effect"]
        page.get_by_text("Propose", exact=True).click()
        page.get_by_role("heading", name="The service does not answer").wait_for()
        assert page.get_by_role("button", name="Not yet").is_disabled()
        refused[:] = []
        page.get_by_role("button", name="Try again").click()
        page.get_by_role("button", name="Propose", exact=True).wait_for()
        assert page.get_by_label("Reason").input_value() == "p99 is 4 s"
        assert [one for one in console.reports if not one.startswith("htmx:")] == []


def test_a_flag_is_switched_off_and_back_by_keyboard_alone(page_browser: Browser, opened: str) -> None:
    with shown(page_browser) as console:
        page = console.page
        console.visit(f"{opened}/console/", "Flags")
        for key in ("/", *"beta"):
            page.keyboard.press(key)
        page.get_by_role("row", name="checkout").wait_for(state="detached")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        console.arrives("beta")
        page.keyboard.press("x")
        page.get_by_text("25 % of all users lose on: 1 in 4").first.wait_for()
        console.sound()
        page.keyboard.press("Control+Enter")
        page.get_by_text("Say why, in a few words").wait_for()
        page.keyboard.type("p99 is 4 s")
        page.keyboard.press("Control+Enter")
        page.get_by_role("heading", name="beta is off in production").wait_for()
        console.sound()
        page.keyboard.press("u")
        page.get_by_text("25 % of all users get on: 1 in 4").first.wait_for()
        page.keyboard.type("fixed")
        page.keyboard.press("Control+Enter")
        page.get_by_role("heading", name="beta is as Git says in production").wait_for()
        page.keyboard.press("Enter")
        page.get_by_role("dialog").wait_for(state="detached")
        console.sound()


def test_what_was_typed_survives_a_key_that_ends_meanwhile(
    page_browser: Browser, keyed: str, store: SqliteStore
) -> None:
    with shown(page_browser) as console:
        page = console.page
        page.goto(f"{keyed}/console/flags/beta")
        page.get_by_label("An admin key").fill(token(store, Kind.ADMIN, *ALL))
        page.keyboard.press("Enter")
        console.arrives("beta")
        page.keyboard.press("x")
        page.get_by_role("button", name="Switch off for 2 h").wait_for()
        page.keyboard.type("orders fail: 12 of 100")
        assert page.get_by_role("radio", name="Now").is_checked(), "digits are text in a field"
        page.get_by_role("radio", name="8 h").check()
        page.route("**/kill", lambda route: route.fulfill(status=401, json={"detail": "the key is expired"}))
        page.keyboard.press("Control+Enter")
        page.get_by_text("The key is expired").wait_for()
        assert "orders fail" not in page.content()
        page.get_by_label("An admin key").fill(token(store, Kind.ADMIN, *ALL))
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Switch off for 8 h").wait_for()
        assert page.get_by_label("Reason").input_value() == "orders fail: 12 of 100"
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("An admin key").fill(token(store, Kind.ADMIN, *ALL))
        page.keyboard.press("Enter")
        console.arrives("beta")
        assert not page.locator("#dialog[open]").count()
        console.sound()


def test_a_key_that_may_only_kill_switches_off_by_keyboard(
    page_browser: Browser, keyed: str, store: SqliteStore
) -> None:
    with shown(page_browser, MODES[2]) as console:
        page = console.page
        page.goto(f"{keyed}/console/flags/beta")
        page.get_by_label("An admin key").fill(token(store, Kind.ADMIN, Scope.KILL))
        page.keyboard.press("Enter")
        console.arrives("Switch off")
        assert page.url == f"{keyed}/console/switch-off?flag=beta", "a link to a flag leads on with its name"
        console.sound()
        assert not page.get_by_role("button", name="Find a flag").is_visible()
        page.get_by_label("name").focus()
        page.keyboard.press("Enter")
        page.get_by_text("25 % of all users lose on: 1 in 4").first.wait_for()
        console.sound()
        page.keyboard.type("orders fail")
        page.keyboard.press("Control+Enter")
        page.get_by_role("heading", name="beta is off in production").wait_for()
        console.sound()
        page.keyboard.press("Enter")
        console.arrives("Switch off")
        page.get_by_label("name").fill("nowhere")
        page.keyboard.press("Enter")
        page.get_by_text("There is no such thing").wait_for()
    write(store, lambda state, git: lift(state, git, "beta", act()))


def test_a_form_and_yaml_say_what_is_wrong_beside_the_field(page_browser: Browser, opened: str) -> None:
    with shown(page_browser, MODES[2]) as console:
        page = console.page
        console.visit(f"{opened}/console/flags/beta", "beta")
        page.get_by_role("button", name="Change…").click()
        share = page.get_by_label("Rollout percentage")
        share.fill("105")
        page.get_by_text("A share is 0 to 100 %, with up to three decimals.").wait_for()
        assert share.get_attribute("aria-invalid") == "true"
        console.sound()
        page.get_by_role("button", name="YAML").click()
        page.get_by_label("The flag in YAML").fill("status: on\nrollout_percentage: 900\n")
        page.get_by_text("Line 2, column 21").wait_for()
        console.sound()


@pytest.mark.parametrize("mode", MODES[1:3], ids=lambda mode: f"{mode[0]}-{mode[1]}")
def test_a_new_flag_is_proposed_by_keyboard(page_browser: Browser, keyed: str, store: SqliteStore, mode: Any) -> None:
    with shown(page_browser, mode) as console:
        page = console.page
        page.goto(f"{keyed}/console/flags")
        page.get_by_label("An admin key").fill(token(store, Kind.ADMIN, Scope.READ, Scope.PROPOSE))
        page.keyboard.press("Enter")
        console.arrives("Flags")
        page.keyboard.press("n")
        page.get_by_role("heading", name="Propose a new flag in production").wait_for()
        page.get_by_text("the flag has no name yet").wait_for()
        console.sound()
        page.get_by_role("button", name="For a share of users").click()
        name = f"new_{mode[1]}"
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_text("5 % of all users get on").first.wait_for()
        page.get_by_role("button", name="Propose").wait_for()
        page.get_by_label("Reason").fill("a trial")
        page.keyboard.press("Control+Enter")
        page.get_by_text("Nobody moves until it is merged and released.").wait_for()
        console.sound()


def test_anything_is_found_by_a_few_letters(page_browser: Browser, opened: str) -> None:
    with shown(page_browser, MODES[1]) as console:
        page = console.page
        console.visit(f"{opened}/console/", "Flags")
        page.keyboard.press("?")
        page.get_by_role("heading", name="All keys").wait_for()
        console.sound()
        page.keyboard.press("Escape")
        page.keyboard.press("Control+k")
        page.get_by_role("combobox").wait_for()
        page.keyboard.type("beta off")
        page.get_by_role("option", name="Switch off beta").wait_for()
        console.sound()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Switch off beta in production").wait_for()


def test_the_playground_answers_by_keyboard_and_keeps_nothing(page_browser: Browser, opened: str) -> None:
    with shown(page_browser) as console:
        page = console.page
        console.visit(f"{opened}/console/playground", "Playground")
        page.keyboard.press("/")
        page.keyboard.type("ada")
        page.keyboard.press("Tab")
        page.keyboard.type("country=DE")
        page.get_by_role("button", name="Ask").press("Enter")
        page.get_by_role("row", name="checkout").get_by_text("control").wait_for()
        assert page.url.endswith("/console/playground")
        console.sound()


def test_a_key_is_made_and_shown_once(page_browser: Browser, opened: str, store: SqliteStore) -> None:
    with shown(page_browser) as console:
        page = console.page
        console.visit(f"{opened}/console/keys", "Keys")
        page.keyboard.press("n")
        page.get_by_role("heading", name="New key").wait_for()
        page.get_by_role("button", name="Propose", exact=True).click()
        page.get_by_text("Propose: reads, and proposes pull requests").wait_for()
        page.get_by_label("Name").fill("ines")
        page.keyboard.press("Control+Enter")
        page.get_by_text("Say why, in a few words").wait_for()
        page.get_by_label("Reason").fill("new in the team")
        page.keyboard.press("Control+Enter")
        page.get_by_role("heading", name="The new key").wait_for()
        made = page.locator("#token").inner_text()
        assert made.startswith("burgee_admin_shop/production_")
        console.sound()
        assert page.get_by_role("button", name="Copy").evaluate("one => one === document.activeElement")
        page.keyboard.press("Escape")
        page.get_by_role("row", name="ines").wait_for()
        assert made not in page.content()
        (key,) = [key for key, _ in listed(store) if key.name == "ines"]
        assert key.opens(made)
        assert key.scopes == (Scope.READ, Scope.PROPOSE)


def test_nothing_that_a_file_or_a_person_wrote_is_executed(page_browser: Browser, opened: str) -> None:
    with shown(page_browser) as console:
        page = console.page
        console.visit(f"{opened}/console/flags/hostile", "hostile")
        page.get_by_label("User", exact=True).fill(BAD)
        page.get_by_label("Context").fill("country=DE")
        page.get_by_role("button", name="Why?").click()
        page.locator("#why .why").wait_for()
        console.sound()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Switch off…").click()
        page.get_by_text("lose on").first.wait_for()
        console.sound()
        page.keyboard.press("Escape")
        page.goto(f"{opened}/console/flags/checkout")
        console.arrives("checkout")
        page.get_by_text("<script>alert(2)").first.wait_for()
        page.get_by_role("button", name="Take the override back…").click()
        page.get_by_text("Who will move").wait_for()
        console.sound()
        assert page.evaluate("document.querySelectorAll('img, script:not([src])').length") == 0


def test_a_field_with_the_focus_is_not_behind_the_foot_of_its_dialog(page_browser: Browser, opened: str) -> None:
    for mode in MODES:
        with shown(page_browser, mode) as console:
            page = console.page
            console.visit(f"{opened}/console/flags/raised", "raised")
            page.get_by_role("button", name="Change…").click()
            page.get_by_label("Rollout percentage").wait_for()
            for _ in range(30):
                page.keyboard.press("Tab")
                place = page.evaluate(
                    "(() => { const one = document.activeElement, foot = document.querySelector('dialog footer');"
                    "return [one.name, foot.contains(one) ? 0 : one.getBoundingClientRect().bottom,"
                    " foot.getBoundingClientRect().top]; })()"
                )
                assert place[1] <= place[2], (mode, place)
                if place[0] == "title":
                    break
            assert place[0] == "title"


def test_what_was_typed_stays_when_another_tab_of_a_dialog_is_chosen(page_browser: Browser, opened: str) -> None:
    with shown(page_browser) as console:
        page = console.page
        console.visit(f"{opened}/console/", "Flags")
        page.keyboard.press("n")
        page.get_by_role("dialog").get_by_label("Name").fill("coupons")
        page.get_by_label("Owner").fill("growth")
        page.get_by_label("Reason").fill("a spring sale")
        page.get_by_label("The rest of the flag in YAML").fill("status: off\npermanent: true")
        page.get_by_role("button", name="For a share of users").click()
        yaml = page.get_by_label("The rest of the flag in YAML")
        page.get_by_text("5 % of all users get on").first.wait_for()
        assert yaml.input_value() == "status: on\nrollout_percentage: 5\n"
        yaml.fill("status: on\nrollout_percentage: 7\n")
        page.get_by_text("7 % of all users get on").first.wait_for()
        for label, value in (("Name", "coupons"), ("Owner", "growth"), ("Reason", "a spring sale")):
            assert page.get_by_role("dialog").get_by_label(label).input_value() == value, label
        page.get_by_role("button", name="On or off").click()
        page.get_by_role("button", name="Propose", exact=True).wait_for()
        assert yaml.input_value() == "status: off\npermanent: true"
        console.sound()
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")
        page.keyboard.press("n")
        assert page.get_by_role("dialog").get_by_label("Name").input_value() == ""


def test_who_moved_is_shown_in_a_list_that_was_just_searched(page_browser: Browser, opened: str) -> None:
    with shown(page_browser) as console:
        page = console.page
        console.visit(f"{opened}/console/changes", "What changed")
        page.keyboard.press("/")
        page.keyboard.type("raised")
        page.get_by_role("link", name="checkout", exact=True).wait_for(state="detached")
        loads: list[str] = []
        page.on("request", lambda request: loads.append(request.url))
        page.get_by_role("button", name="Who moved").first.click()
        page.get_by_text("raised: nobody loses it").wait_for()
        assert len(loads) == 1, "the field that lost the focus loaded the list again"


def test_a_guard_is_paused_from_its_card_with_who_will_move_first(page_browser: Browser, opened: str) -> None:
    with shown(page_browser) as console:
        page = console.page
        console.visit(f"{opened}/console/flags/raised", "raised")
        page.get_by_role("button", name="Stop…").click()
        page.get_by_label("goes back to the file").check()
        page.get_by_text("10 % of all users lose on: 1 in 10").first.wait_for()
        console.sound()
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")
        page.get_by_role("button", name="Pause…").click()
        page.get_by_text("Nobody moves.").first.wait_for()
        page.get_by_label("Reason").fill("INC-311")
        page.keyboard.press("Control+Enter")
        page.get_by_role("dialog").wait_for(state="detached")
        page.get_by_text("Paused at 10 % by").wait_for()
        page.get_by_role("button", name="Resume…").wait_for()
        console.sound()
