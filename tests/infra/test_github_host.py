"""What the action makes of GitHub's API, and what it lets nobody's text do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from host import ActionError, Host
from inputs import Inputs

from burgee.cli.pull_requests import api as host_api
from burgee.cli.render.markdown import cut, fenced
from support.github import REPOSITORY, TOKEN, Api, github

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARKER = "<!-- burgee: flags.yaml -->"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr("burgee.cli.pull_requests.api.time.sleep", lambda _: None)
    with github() as running:
        yield running


def on(api: Api, **more: str) -> Host:
    return Host.of({"GITHUB_API_URL": api.url, "GITHUB_REPOSITORY": REPOSITORY, "INPUT_TOKEN": TOKEN, **more})


@pytest.mark.parametrize("failures", [[502, 429], [503, 500, 504]])
def test_a_moment_of_failure_is_sat_out(api: Api, failures: list[int]) -> None:
    api.failures = failures
    on(api).comment(7, MARKER, "text")
    assert api.bodies() == [f"{MARKER}\ntext"]


def test_a_lasting_failure_is_reported(api: Api) -> None:
    api.failures = [502] * 10
    with pytest.raises(ActionError, match="GitHub answered 502 to GET /repos/acme/flags/issues/7/comments"):
        on(api).comment(7, MARKER, "text")
    assert len(api.calls) == host_api.TRIES


def test_a_wrong_token_is_not_tried_again(api: Api) -> None:
    with pytest.raises(ActionError, match="401"):
        on(api, INPUT_TOKEN="wrong").comment(7, MARKER, "text")


def test_a_host_that_is_not_there_is_reported(api: Api) -> None:
    with pytest.raises(ActionError, match="GitHub does not answer"):
        on(api, GITHUB_API_URL="http://127.0.0.1:1").comment(7, MARKER, "text")


def test_the_comment_is_found_behind_many_others(api: Api) -> None:
    for number in range(150):
        api.add(f"comment {number}")
    api.add(f"{MARKER}\nold", "Bot")
    on(api).comment(7, MARKER, "new")
    assert api.bodies() == [f"{MARKER}\nnew"]


def test_nobody_elses_comment_is_written_to(api: Api) -> None:
    api.add(f"{MARKER}\nmine, says a user")
    api.add(f"see {MARKER}", "Bot")
    on(api).comment(7, MARKER, "text")
    assert api.bodies("User") == [f"{MARKER}\nmine, says a user"]
    assert api.bodies() == [f"see {MARKER}", f"{MARKER}\ntext"]


def test_the_next_page_is_the_apis_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token must not be sent to whatever address an answer names."""
    monkeypatch.setattr(host_api, "_next", lambda _: "http://127.0.0.1:1/steal")
    with pytest.raises(ActionError, match="not its own"):
        on(api).comment(7, MARKER, "text")


def test_the_tip_of_a_branch(api: Api) -> None:
    api.tips["release/1%231"] = "abc"
    assert on(api, GITHUB_REF="refs/heads/release/1#1", GITHUB_SHA="abc").is_newest()
    assert not on(api, GITHUB_REF="refs/heads/release/1#1", GITHUB_SHA="abd").is_newest()
    with pytest.raises(ActionError, match="only a branch"):
        on(api, GITHUB_REF="refs/tags/v1").is_newest()


def test_annotations_are_one_line_whatever_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    Host.of({}).annotate("error", "50 %\n::warning::x", file="a,b:c\n.yaml", line=3)
    assert capsys.readouterr().out == "::error file=a%2Cb%3Ac%0A.yaml,line=3::50 %25%0A::warning::x\n"


def test_a_log_of_others_holds_no_commands(capsys: pytest.CaptureFixture[str]) -> None:
    Host.of({}).log_text("::error::x\n")
    first, text, last = capsys.readouterr().out.splitlines()
    assert first.startswith("::stop-commands::")
    assert (text, last) == ("::error::x", f"::{first.removeprefix('::stop-commands::')}::")


def test_an_output_is_one_line(tmp_path: Path) -> None:
    Host.of({"GITHUB_OUTPUT": str(tmp_path / "out")}).put_out("releases", "{}\nreleases=[]")
    assert (tmp_path / "out").read_text(encoding="utf-8") == "releases={}\n"


def test_a_fence_is_longer_than_what_it_holds() -> None:
    assert fenced("a ```` b").startswith("`````text\n")
    assert fenced("a ```` b").endswith("\n`````\n")


def test_what_is_cut_is_closed() -> None:
    text = "<details><summary>a</summary>\n\n" + "row\n" * 1000 + "</details>\n"
    short = cut(text, 500)
    assert len(short) <= 500
    assert short.count("<details>") == short.count("</details>") == 1
    assert cut("short", 500) == "short"


def test_a_commit_is_a_commit(api: Api) -> None:
    pull = {"number": 1, "base": {"sha": "--upload-pack=x"}, "head": {"sha": "b" * 40, "repo": None}}
    host = Host(api.url, REPOSITORY, "", "", {"pull_request": pull}, "", None, None)
    with pytest.raises(ActionError, match="names no commit"):
        host.change()


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        ({"INPUT_ENVIRONMENTS": "--flags=x"}, "not an environment's name"),
        ({"INPUT_INSIST": "--json"}, "insist takes"),
    ],
)
def test_inputs_are_checked(given: dict[str, str], reported: str) -> None:
    with pytest.raises(ActionError, match=reported):
        Inputs.of(given)
