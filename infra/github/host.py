"""GitHub as an action sees it: the event, annotations, the job summary, and one comment kept up to date.

Nothing that a contributor wrote reaches a shell, a workflow command or a file of the runner unescaped.
"""

from __future__ import annotations

import json
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from burgee.cli.pull_requests.api import ApiError
from burgee.cli.pull_requests.hosts import github_api
from burgee.cli.render.markdown import cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from burgee.cli.pull_requests.api import Api, ApiAnswer

SUMMARY_LIMIT = 1_000_000
"""GitHub drops the summary of a step that is over a MiB."""


class ActionError(Exception):
    """What stops the action; shown as one annotation."""


class Change(NamedTuple):
    """What is reviewed: two commits, and the pull request with its comments where there is one to write to."""

    base: str
    head: str
    number: int | None
    fork: bool


@dataclass(frozen=True, slots=True)
class Host:
    """The runner and the API, from the variables that GitHub sets."""

    api: str
    repository: str
    commit: str
    ref: str
    event: Mapping[str, Any]
    token: str
    summary_file: Path | None
    output_file: Path | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Host:
        """Reads the variables; the event is data in a file, never part of a script."""
        if environ.get("GITHUB_EVENT_NAME") == "pull_request_target":
            raise ActionError("run this on pull_request: pull_request_target gives strangers' branches your secrets")
        event = environ.get("GITHUB_EVENT_PATH")
        return cls(
            api=environ.get("GITHUB_API_URL", "https://api.github.com").rstrip("/"),
            repository=environ.get("GITHUB_REPOSITORY", ""),
            commit=environ.get("GITHUB_SHA", ""),
            ref=environ.get("GITHUB_REF", ""),
            event=json.loads(Path(event).read_text(encoding="utf-8")) if event else {},
            token=environ.get("INPUT_TOKEN", ""),
            summary_file=_file(environ, "GITHUB_STEP_SUMMARY"),
            output_file=_file(environ, "GITHUB_OUTPUT"),
        )

    def change(self) -> Change:
        """The pull request of the event, or the group in a merge queue."""
        if "pull_request" in self.event:
            pull = self.event["pull_request"]
            source = (pull["head"].get("repo") or {}).get("full_name")
            fork = source != self.repository
            return Change(_sha(pull["base"]["sha"]), _sha(pull["head"]["sha"]), int(pull["number"]), fork)
        if "merge_group" in self.event:
            group = self.event["merge_group"]
            return Change(_sha(group["base_sha"]), _sha(group["head_sha"]), None, fork=False)
        raise ActionError("there is nothing to review: run this on pull_request or merge_group")

    @property
    def branch(self) -> str:
        """The branch that this run is for."""
        if not self.ref.startswith("refs/heads/"):
            raise ActionError(f"this runs on a branch, not on {self.ref or 'nothing'}")
        return self.ref.removeprefix("refs/heads/")

    @property
    def is_fork(self) -> bool:
        """Whether the repository is a fork."""
        return bool((self.event.get("repository") or {}).get("fork"))

    def is_newest(self) -> bool:
        """Whether the commit is still the tip of its branch: a delayed run must not release an old file."""
        if not self.ref.startswith("refs/heads/"):
            raise ActionError(f"only a branch is released, not {self.ref or 'nothing'}")
        branch = urllib.parse.quote(self.ref.removeprefix("refs/heads/"))
        found = self._call("GET", f"{self.api}/repos/{self.repository}/git/ref/heads/{branch}")
        return bool(found.body["object"]["sha"] == self.commit)

    def annotate(self, level: str, message: str, **where: str | int) -> None:
        """A line that GitHub shows beside the code, or above the log."""
        place = ",".join(f"{key}={_property(str(value))}" for key, value in where.items())
        self.log(f"::{level}{' ' + place if place else ''}::{_data(message)}")

    def log(self, line: str) -> None:
        """A line of the job's log."""
        print(line, flush=True)  # noqa: T201 - the log is what a runner reads

    def log_text(self, text: str) -> None:
        """Lines that others wrote: the runner takes none of them for a command."""
        token = uuid4().hex
        self.log(f"::stop-commands::{token}\n{text.rstrip()}\n::{token}::")

    def summarise(self, markdown: str) -> None:
        """Adds to the job's summary."""
        if self.summary_file is not None:
            with self.summary_file.open("a", encoding="utf-8") as file:
                file.write(cut(markdown, SUMMARY_LIMIT) + "\n")

    def put_out(self, name: str, value: str) -> None:
        """An output of the action: one line, never written by a contributor."""
        if self.output_file is not None:
            with self.output_file.open("a", encoding="utf-8") as file:
                file.write(f"{name}={value.splitlines()[0] if value else ''}\n")

    def comment(self, number: int, marker: str, body: str | None) -> None:
        """Keeps one comment of a pull request as `body`; None changes nothing unless there is one already."""
        listed = f"{self.api}/repos/{self.repository}/issues/{number}/comments"
        mine = next((one for one in self._pages(listed) if _is_ours(one, marker)), None)
        if mine is None and body is not None:
            self._call("POST", listed, {"body": f"{marker}\n{body}"})
        elif mine is not None:
            wanted = f"{marker}\n{body or 'Nothing about flags changes any more.'}"
            if mine["body"].replace("\r\n", "\n").rstrip() != wanted.rstrip():
                place = f"{self.api}/repos/{self.repository}/issues/comments/{int(mine['id'])}"
                self._call("PATCH", place, {"body": wanted})

    def is_checked(self, commit: str, name: str) -> bool:
        """Whether a commit has a check of that name."""
        query = urllib.parse.urlencode({"check_name": name, "per_page": 1})
        url = f"{self.api}/repos/{self.repository}/commits/{_sha(commit)}/check-runs?{query}"
        return bool(self._call("GET", url).body["total_count"])

    def check(self, commit: str, name: str, summary: str, *, passes: bool) -> None:
        """Gives a commit a finished check."""
        wanted = {
            "name": name,
            "head_sha": _sha(commit),
            "status": "completed",
            "conclusion": "success" if passes else "failure",
            "output": {"title": "Burgee flags", "summary": summary},
        }
        self._call("POST", f"{self.api}/repos/{self.repository}/check-runs", wanted)

    def _pages(self, url: str) -> Iterator[Any]:
        try:
            yield from self._api.pages(f"{url}?per_page=100")
        except ApiError as error:
            raise ActionError(str(error)) from error

    def _call(self, method: str, url: str, body: Any = None) -> ApiAnswer:
        try:
            return self._api.call(method, url, body)
        except ApiError as error:
            raise ActionError(str(error)) from error

    @property
    def _api(self) -> Api:
        return github_api(self.api, self.token)


def _file(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]) if environ.get(name) else None


def _sha(text: Any) -> str:
    if not (isinstance(text, str) and len(text) in {40, 64} and all(digit in "0123456789abcdef" for digit in text)):
        raise ActionError("the event names no commit")
    return text


def _is_ours(comment: Mapping[str, Any], marker: str) -> bool:
    """Anybody can write the marker; only an app's comment may be ours, and only at its very beginning."""
    return (comment.get("user") or {}).get("type") == "Bot" and str(comment.get("body", "")).startswith(marker)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
