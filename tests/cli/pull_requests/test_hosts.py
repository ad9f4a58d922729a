"""What is made of the hosts' APIs: GitLab's merge requests, tokens that go nowhere else, moments of failure."""

from __future__ import annotations

import socket
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from burgee.cli.pull_requests import api as host_api
from burgee.cli.pull_requests.api import Api, ApiError
from burgee.cli.pull_requests.hosts import GitHub, GitLab, Linked, PullRequest, host_of, named_by, pushing
from burgee.errors import Refused
from support.gitlab import answering


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("burgee.cli.pull_requests.api.time.sleep", lambda _: None)


def test_merge_requests_are_found_opened_described_and_closed() -> None:
    def one(state: str, iid: int, source: int = 7) -> dict[str, Any]:
        address = f"https://gitlab.example/acme/flags/-/merge_requests/{iid}"
        reported = {"iid": iid, "state": state, "web_url": address, "description": None}
        return {**reported, "source_project_id": source, "target_project_id": 7}

    def answered(method: str, _path: str, _body: Any) -> tuple[int, Any, dict[str, str]]:
        if method == "GET":
            return 200, [one("opened", 4), one("opened", 3, source=8), one("merged", 2), one("closed", 1)], {}
        return 201, one("opened", 5), {}

    with answering(answered) as (url, calls):
        host = GitLab(url, "acme/flags", "glpat", "main")
        found = host.of_branch("burgee/x")
        assert [(one.number, one.state, one.body) for one in found] == [
            (4, "open", ""),
            (2, "merged", ""),
            (1, "closed", ""),
        ]
        opened = host.open("burgee/x", "Title", "Body")
        assert (opened.number, opened.state) == (5, "open")
        host.describe(opened, "Other")
        host.close(opened, "Nothing is left")
    asked = [(method, urlsplit(path).path, body) for method, path, _, body in calls]
    base = "/projects/acme%2Fflags/merge_requests"
    assert [(method, path) for method, path, _ in asked] == [
        ("GET", base),
        ("POST", base),
        ("PUT", f"{base}/5"),
        ("POST", f"{base}/5/notes"),
        ("PUT", f"{base}/5"),
    ]
    query = dict(parse_qsl(urlsplit(calls[0][1]).query))
    assert query | {"source_branch": "burgee/x", "target_branch": "main", "state": "all"} == query
    assert asked[1][2] | {"source_branch": "burgee/x", "description": "Body"} == asked[1][2]
    assert asked[4][2] == {"state_event": "close"}
    assert {headers["private-token"] for _, _, headers, _ in calls} == {"glpat"}


def test_a_token_follows_no_redirect_and_no_page_elsewhere() -> None:
    def elsewhere(_method: str, _path: str, _body: Any) -> tuple[int, Any, dict[str, str]]:
        raise AssertionError("nobody asks here")

    with answering(elsewhere) as (other, asked):

        def answered(_method: str, path: str, _body: Any) -> tuple[int, Any, dict[str, str]]:
            if path == "/moved":
                return 302, None, {"Location": f"{other}/steal"}
            return 200, [1], {"Link": f'<{other}/steal>; rel="next"'}

        with answering(answered) as (url, _):
            api = Api("GitHub", url, {"Authorization": "Bearer x"})
            with pytest.raises(ApiError, match="302"):
                api.call("GET", f"{url}/moved")
            with pytest.raises(ApiError, match="not its own"):
                list(api.pages(f"{url}/list"))
            with pytest.raises(ApiError, match="not its own"):
                api.call("GET", f"{url}.example.com/")
    assert asked == []


@pytest.mark.parametrize(("statuses", "calls_made"), [([502, 429, 200], 3), ([503] * 9, 4), ([404], 1), ([403], 1)])
def test_a_moment_of_failure_is_waited_for_and_a_refusal_is_not(statuses: list[int], calls_made: int) -> None:
    left = list(statuses)

    def answered(_method: str, _path: str, _body: Any) -> tuple[int, Any, dict[str, str]]:
        return left.pop(0), {}, {"Retry-After": "0"} if statuses[0] in {502, 429} else {}

    with answering(answered) as (url, calls):
        api = Api("GitHub", url, {})
        if statuses[-1] == 200:
            assert api.call("GET", f"{url}/x").body == {}
        else:
            with pytest.raises(ApiError, match=str(statuses[0])):
                api.call("GET", f"{url}/x")
    assert len(calls) == calls_made


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "not JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n[1, 2", "not JSON"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not answer"),
        (b"", "does not answer"),
    ],
)
def test_what_is_not_an_api_is_reported(answer: bytes, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_api, "TRIES", 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answered() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = Thread(target=answered)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ApiError, match=why):
            Api("GitHub", url, {}).call("GET", f"{url}/x")
        thread.join()


@pytest.mark.parametrize(
    ("said", "explained"),
    [
        ('{"message": ["Title is too long"]}', ': ["Title is too long"]'),
        ('{"message": {"base": ["is invalid"]}}', ': {"base": ["is invalid"]}'),
        ('{"message": "No", "errors": [{"code": "custom"}]}', ': No {"code": "custom"}'),
        ("<html>", ""),
        ("[1]", ""),
        ("", ""),
    ],
)
def test_a_refusal_has_the_hosts_own_words(said: str, explained: str) -> None:
    assert ApiError("GitHub answered 422", 422, said).explained == f"GitHub answered 422{explained}"


def test_a_post_that_was_not_answered_is_not_sent_again() -> None:
    with pytest.raises(ApiError, match="does not answer"):
        Api("GitHub", "http://127.0.0.1:1", {}).call("POST", "http://127.0.0.1:1/x", {})
    assert host_api.TRIES > 1


def test_the_host_is_that_whose_pipeline_runs_us() -> None:
    assert [named_by(one) for one in ({"GITHUB_ACTIONS": "true"}, {"GITLAB_CI": "true"}, {})] == [
        "github",
        "gitlab",
        "none",
    ]
    github = host_of("github", {"GITHUB_TOKEN": "x", "GITHUB_REPOSITORY": "acme/flags"}, "main")
    assert isinstance(github, GitHub)
    gitlab = {"BURGEE_GITLAB_TOKEN": "x", "CI_PROJECT_ID": "7", "CI_PROJECT_URL": "https://gitlab.example/acme/flags"}
    assert isinstance(host_of("gitlab", gitlab, "main"), GitLab)
    assert isinstance(host_of("gitlab", {**gitlab, "BURGEE_GITLAB_TOKEN": ""}, "main"), Linked)
    assert host_of("none", {}, "main").open("burgee/x", "", "") == PullRequest(None, "branch burgee/x", "")
    with pytest.raises(Refused, match="GITHUB_TOKEN"):
        host_of("github", {}, "main")


def test_a_token_for_pushing_is_no_argument_and_goes_to_its_server_alone() -> None:
    environ = {"GITHUB_TOKEN": "secret", "GITHUB_SERVER_URL": "https://github.example"}
    configured = pushing("github", environ)
    assert configured["GIT_CONFIG_KEY_0"] == "http.https://github.example/.extraheader"
    assert configured["GIT_CONFIG_VALUE_0"] == "AUTHORIZATION: basic eC1hY2Nlc3MtdG9rZW46c2VjcmV0"
    assert pushing("none", environ) == {}
    assert pushing("github", {**environ, "GITHUB_SERVER_URL": "http://github.example"}) == {}
    assert pushing("gitlab", environ) == {}
