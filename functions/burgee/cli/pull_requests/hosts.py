"""Pull requests on GitHub, merge requests on GitLab, or, without a token, a link to open one."""

from __future__ import annotations

import base64
import urllib.parse
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from burgee.cli.pull_requests.api import Api, ApiError
from burgee.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAY_CREATE = (
    "GitHub Actions may not open pull requests here: set it under Settings, Actions, General, Workflow permissions: "
    "'Allow GitHub Actions to create and approve pull requests' (an organisation may have to allow it first)"
)
FEW = 20
"""Maximum pull requests of one branch that are read, newest first."""


class PullRequest(NamedTuple):
    """One pull request: `state` is open, merged or closed; without a token it has neither number nor state."""

    number: int | None
    address: str
    state: str
    body: str = ""


class Host(Protocol):
    """A host of pull requests; methods raise ApiError if it does not answer or refuses."""

    def check(self) -> None:
        """Raises Refused, with advice, if it is known in advance that pull requests cannot be opened."""

    def of_branch(self, branch: str) -> Sequence[PullRequest]:
        """The pull requests from this repository's own branch, newest first."""

    def open(self, branch: str, title: str, body: str) -> PullRequest:
        """Opens a pull request into the base branch."""

    def describe(self, one: PullRequest, body: str) -> None:
        """Updates a pull request's description."""

    def close(self, one: PullRequest, why: str) -> None:
        """Closes a pull request with a comment."""


def github_api(url: str, token: str) -> Api:
    """GitHub's API, or that of an instance of GitHub Enterprise."""
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    return Api("GitHub", url.rstrip("/"), headers)


class GitHub:
    """A repository on GitHub, or on an instance of GitHub Enterprise."""

    def __init__(self, api: str, repository: str, token: str, base: str) -> None:
        self._api = github_api(api, token)
        self._repository = repository
        self._base = base
        self._url = f"{self._api.url}/repos/{repository}"

    def check(self) -> None:
        """Reads the setting if the token may; otherwise opening a pull request reports the same."""
        try:
            setting = self._api.call("GET", f"{self._url}/actions/permissions/workflow").body
        except ApiError as error:
            if error.status in {403, 404}:
                return
            raise
        if setting.get("can_approve_pull_request_reviews") is False:
            raise Refused("not-allowed", MAY_CREATE)

    def of_branch(self, branch: str) -> Sequence[PullRequest]:
        """Filters by branch name and repository: a fork may have a branch with the same name."""
        query = {
            "head": f"{self._repository.partition('/')[0]}:{branch}",
            "base": self._base,
            "state": "all",
            "sort": "created",
            "direction": "desc",
            "per_page": FEW,
        }
        found = self._api.call("GET", f"{self._url}/pulls?{urllib.parse.urlencode(query)}").body
        return [_of_github(one) for one in found if self._is_own(one, branch)]

    def _is_own(self, one: Mapping[str, Any], branch: str) -> bool:
        head = one["head"]
        return head["ref"] == branch and (head.get("repo") or {}).get("full_name") == self._repository

    def open(self, branch: str, title: str, body: str) -> PullRequest:
        """Opens it as the token's owner: in a workflow, GitHub Actions."""
        wanted = {"title": title, "body": body, "head": branch, "base": self._base, "maintainer_can_modify": False}
        try:
            return _of_github(self._api.call("POST", f"{self._url}/pulls", wanted).body)
        except ApiError as error:
            if error.status == 403 and "not permitted to create" in error.said:
                raise Refused("not-allowed", MAY_CREATE) from error
            raise

    def describe(self, one: PullRequest, body: str) -> None:
        """The title is kept, as people may have changed it."""
        self._api.call("PATCH", f"{self._url}/pulls/{one.number}", {"body": body})

    def close(self, one: PullRequest, why: str) -> None:
        """Comments first, so that nothing is closed without a reason."""
        self._api.call("POST", f"{self._url}/issues/{one.number}/comments", {"body": why})
        self._api.call("PATCH", f"{self._url}/pulls/{one.number}", {"state": "closed"})


class GitLab:
    """A project on GitLab, with an access token of the project."""

    def __init__(self, api: str, project: str, token: str, base: str) -> None:
        self._api = Api("GitLab", api.rstrip("/"), {"PRIVATE-TOKEN": token})
        self._base = base
        self._project = project
        self._url = f"{self._api.url}/projects/{urllib.parse.quote(project, safe='')}/merge_requests"

    def check(self) -> None:
        """GitLab has no such setting: the token's permissions decide."""

    def of_branch(self, branch: str) -> Sequence[PullRequest]:
        """Filters by branch and project: a fork's merge request has another project."""
        query = {
            "source_branch": branch,
            "target_branch": self._base,
            "state": "all",
            "order_by": "created_at",
            "sort": "desc",
            "per_page": FEW,
        }
        found = self._api.call("GET", f"{self._url}?{urllib.parse.urlencode(query)}").body
        return [_of_gitlab(one) for one in found if one["source_project_id"] == one["target_project_id"]]

    def open(self, branch: str, title: str, body: str) -> PullRequest:
        """The branch is deleted on merge."""
        wanted = {
            "title": title,
            "description": body,
            "source_branch": branch,
            "target_branch": self._base,
            "remove_source_branch": True,
        }
        return _of_gitlab(self._api.call("POST", self._url, wanted).body)

    def describe(self, one: PullRequest, body: str) -> None:
        """The title is kept."""
        self._api.call("PUT", f"{self._url}/{one.number}", {"description": body})

    def close(self, one: PullRequest, why: str) -> None:
        """Comments first."""
        self._api.call("POST", f"{self._url}/{one.number}/notes", {"body": why})
        self._api.call("PUT", f"{self._url}/{one.number}", {"state_event": "close"})


class Linked:
    """Without a token: branches are pushed, and people open pull requests by a link. `web` is the project's page, if
    known.
    """

    def __init__(self, web: str = "", base: str = "main") -> None:
        self._web = web
        self._base = base

    def check(self) -> None:
        """Nothing to check."""

    def of_branch(self, _branch: str) -> Sequence[PullRequest]:
        """Unknown without a token."""
        return []

    def open(self, branch: str, title: str, _body: str) -> PullRequest:
        """On GitLab, the link that opens it."""
        if not self._web:
            return PullRequest(None, f"branch {branch}", "")
        named = {"source_branch": branch, "target_branch": self._base, "title": title}
        query = urllib.parse.urlencode({f"merge_request[{key}]": value for key, value in named.items()})
        return PullRequest(None, f"{self._web}/-/merge_requests/new?{query}", "")

    def describe(self, _one: PullRequest, _body: str) -> None:
        """Nothing is open here."""

    def close(self, _one: PullRequest, _why: str) -> None:
        """Nothing is open here."""


def host_of(name: str, environ: Mapping[str, str], base: str) -> Host:
    """The host whose pipeline runs this, from its environment variables. Raises Refused if one is missing."""
    if name == "github":
        token = environ.get("GITHUB_TOKEN", "")
        repository = environ.get("GITHUB_REPOSITORY", "")
        if not token or not repository:
            raise Refused("no-token", "GitHub takes GITHUB_TOKEN and GITHUB_REPOSITORY, which is owner/name")
        return GitHub(environ.get("GITHUB_API_URL", "https://api.github.com"), repository, token, base)
    if name == "gitlab":
        token = environ.get("BURGEE_GITLAB_TOKEN", "")
        project = environ.get("CI_PROJECT_ID", "")
        if token and project:
            return GitLab(environ.get("CI_API_V4_URL", "https://gitlab.com/api/v4"), project, token, base)
        return Linked(environ.get("CI_PROJECT_URL", ""), base)
    return Linked(base=base)


def named_by(environ: Mapping[str, str]) -> str:
    """The host whose pipeline runs this; `none` on a local machine."""
    return "github" if environ.get("GITHUB_ACTIONS") else "gitlab" if environ.get("GITLAB_CI") else "none"


def pushing(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Git's configuration for pushing over HTTPS, as variables: the token is never an argument."""
    token = environ.get("GITHUB_TOKEN" if name == "github" else "BURGEE_GITLAB_TOKEN", "")
    server = environ.get("GITHUB_SERVER_URL" if name == "github" else "CI_SERVER_URL", "")
    if name == "none" or not token or not server.startswith("https://"):
        return {}
    user = "x-access-token" if name == "github" else "oauth2"
    basic = base64.b64encode(f"{user}:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{server}/.extraheader",
        "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {basic}",
    }


def _of_github(one: Mapping[str, Any]) -> PullRequest:
    state = "merged" if one.get("merged_at") else one["state"]
    return PullRequest(int(one["number"]), str(one["html_url"]), state, str(one.get("body") or ""))


def _of_gitlab(one: Mapping[str, Any]) -> PullRequest:
    state = {"opened": "open", "locked": "open"}.get(one["state"], one["state"])
    return PullRequest(int(one["iid"]), str(one["web_url"]), state, str(one.get("description") or ""))
