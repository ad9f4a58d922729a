"""GitHub without GitHub: its API on loopback, and a runner of a composite action, in its shell or in this process."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import urllib.parse
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

import action
import inputs as action_inputs
import yaml

from burgee.cli import main
from support.http import handled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ACTION = Path(__file__).parents[2] / "infra/github"
TOKEN = "ghs_token"
REPOSITORY = "acme/flags"


@dataclass
class Api:
    """The stub's state: comments by issue, pull requests, checks, tips of branches, and what was asked."""

    pulls: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    may_create: bool = True
    setting: int = 403
    """The status of a read of the setting, which the token of a workflow may not read."""
    comments: list[dict[str, Any]] = field(default_factory=list)
    tips: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    down: str | None = None
    """The method to which it answers 503, as a host that goes down in the middle."""
    loses: bool = False
    """Whether the answer to a pull request that is opened is lost on its way."""
    unwanted: str | None = None
    """The branch from which it opens no pull request."""
    url: str = ""

    def add(self, body: str, kind: str = "User", issue: int = 7) -> None:
        """A comment by a user."""
        said = {"id": len(self.comments) + 1, "body": body, "user": {"type": kind, "login": kind}, "issue": issue}
        self.comments.append(said)

    def bodies(self, kind: str = "Bot", issue: int = 7) -> list[str]:
        """A user's comments."""
        return [one["body"] for one in self.comments if one["user"]["type"] == kind and one["issue"] == issue]

    def request(self, branch: str, repository: str = REPOSITORY, **more: Any) -> dict[str, Any]:
        """A pull request that a user opens."""
        number = 101 + len(self.pulls)
        made = {
            "number": number,
            "html_url": f"https://github.example/{REPOSITORY}/pull/{number}",
            "state": "open",
            "merged_at": None,
            "head": {"ref": branch, "repo": {"full_name": repository}},
            "base": {"ref": "main"},
            **more,
        }
        self.pulls.append(made)
        return made

    def end(self, number: int, *, merged: bool = False) -> None:
        """A user merges or closes one."""
        one = next(pull for pull in self.pulls if pull["number"] == number)
        one |= {"state": "closed", "merged_at": "2027-01-01T00:00:00Z" if merged else None}

    def writes(self) -> list[tuple[str, str]]:
        """The calls that changed something."""
        return [call for call in self.calls if call[0] != "GET"]

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any, str]:
        """Status, body and Link of one call; pages of a hundred, as GitHub's."""
        self.calls.append((method, path))
        if self.failures:
            return self.failures.pop(0), {"message": "no"}, ""
        if method == self.down:
            return 503, {"message": "no"}, ""
        place, _, query = path.partition("?")
        base = f"/repos/{REPOSITORY}"
        known = self._pull_requests(method, place.removeprefix(base), dict(urllib.parse.parse_qsl(query)), body)
        if known is not None:
            return *known, ""
        if found := re.fullmatch(rf"{base}/issues/(\d+)/comments", place):
            issue = int(found[1])
            if method == "POST":
                self.add(body["body"], "Bot", issue)
                return 201, self.comments[-1], ""
            comments = [one for one in self.comments if one["issue"] == issue]
            named = re.search(r"\bpage=(\d+)", query)
            page = int(named[1]) if named else 1
            following = f'<{self.url}{place}?per_page=100&page={page + 1}>; rel="next"'
            listed = comments[(page - 1) * 100 : page * 100]
            return 200, listed, following if len(comments) > page * 100 else ""
        if method == "PATCH" and (found := re.fullmatch(rf"{base}/issues/comments/(\d+)", place)):
            self.comments[int(found[1]) - 1]["body"] = body["body"]
            return 200, {}, ""
        if found := re.fullmatch(rf"{base}/git/ref/heads/(.+)", place):
            return 200, {"object": {"sha": self.tips[found[1]]}}, ""
        return 404, {"message": "Not Found"}, ""

    def _pull_requests(self, method: str, place: str, asked: dict[str, str], body: Any) -> tuple[int, Any] | None:
        """What pull requests, checks and the setting answer."""
        if place == "/pulls" and method == "GET":
            owner, _, branch = asked["head"].partition(":")
            assert (owner, asked["state"], asked["base"]) == (REPOSITORY.partition("/")[0], "all", "main")
            return 200, [pull for pull in reversed(self.pulls) if pull["head"]["ref"] == branch]
        if place == "/pulls" and method == "POST":
            if not self.may_create:
                return 403, {"message": "GitHub Actions is not permitted to create or approve pull requests."}
            here = {"ref": body["head"], "repo": {"full_name": REPOSITORY}}
            if body["head"] == self.unwanted:
                said = [{"resource": "PullRequest", "message": "No \x1b[1mcommits"}, "and more"]
                return 422, {"message": "Validation Failed", "errors": said}
            if any(one["head"] == here and one["state"] == "open" for one in self.pulls):
                return 422, {"message": "A pull request already exists"}
            made = self.request(body["head"], title=body["title"], body=body["body"])
            return (502, None) if self.loses else (201, made)
        if method == "PATCH" and (found := re.fullmatch(r"/pulls/(\d+)", place)):
            next(one for one in self.pulls if one["number"] == int(found[1])).update(body)
            return 200, {}
        if place == "/actions/permissions/workflow":
            return self.setting, {"can_approve_pull_request_reviews": self.may_create}
        if found := re.fullmatch(r"/commits/([0-9a-f]+)/check-runs", place):
            named = [one for one in self.checks if one["head_sha"] == found[1] and one["name"] == asked["check_name"]]
            return 200, {"total_count": len(named), "check_runs": named}
        if place == "/check-runs":
            self.checks.append(body)
            return 201, {}
        return None


@contextmanager
def github() -> Iterator[Api]:
    """The API, listening on loopback until the block ends."""
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, body, link = 401, {"message": "Bad credentials"}, ""
            else:
                status, body, link = api.answer(self.command, self.path, json.loads(data) if data else None)
            reported = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(reported)))
            if link:
                self.send_header("Link", link)
            if status == 429:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(reported)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 - names that the server calls

        def log_message(self, *_: Any) -> None:
            pass

    with handled(Handler) as api.url:
        yield api


class Step(NamedTuple):
    """What a run of the action left behind."""

    code: int
    log: str
    summary: str
    outputs: dict[str, str]


class Ran(NamedTuple):
    """What a program left behind; `subprocess.CompletedProcess` without the process."""

    returncode: int
    stdout: str
    stderr: str


def in_process(program: Callable[[], int | None], folder: Path, environment: Mapping[str, str]) -> Ran:
    """Runs a program's main function as if it were a process of its own."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = program()
        except SystemExit as stop:
            code = stop.code
    if isinstance(code, str):
        err.write(f"{code}\n")
        code = 1
    return Ran(code or 0, out.getvalue(), err.getvalue())


def run_command_line(command: list[str], *, env: Mapping[str, str], cwd: Path | None, **_how: Any) -> Ran:
    """Stands for `subprocess.run` where the action runs `burgee`."""
    with mock.patch.object(sys, "argv", command):
        return in_process(main, cwd or Path.cwd(), env)


def run_main(line: str, folder: Path, environment: Mapping[str, str]) -> Ran:
    """What the action's one line starts, without a process: action.py, and `burgee` as often as that runs it."""
    assert line == '"$RUNNER_TEMP/burgee/bin/python" "$ACTION/action.py"'
    with mock.patch.object(action_inputs, "subprocess", mock.Mock(run=run_command_line)):
        return in_process(action.main, folder, environment)


def run_line(line: str, folder: Path, environment: Mapping[str, str]) -> Ran:
    """A step's line in bash, as a runner does it; Burgee is what the tests run with."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", line]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def run_action(
    folder: Path,
    scratch: Path,
    inputs: Mapping[str, str],
    variables: Mapping[str, str],
    event: Any,
    *,
    run: Callable[[str, Path, Mapping[str, str]], Ran],
) -> Step:
    """Does the `run` step of action.yml."""
    manifest = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))
    given = {name: str(spec.get("default", "")) for name, spec in manifest["inputs"].items()} | dict(inputs)
    given["token"] = given["token"].replace("${{ github.token }}", TOKEN)
    files = {name: scratch / name for name in ("GITHUB_EVENT_PATH", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    files["GITHUB_EVENT_PATH"].write_text(json.dumps(event), encoding="utf-8")
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        files[name].write_text("", encoding="utf-8")
    if not (scratch / "burgee").exists():
        (scratch / "burgee").symlink_to(sys.prefix)
    code, log = 0, ""
    for step in manifest["runs"]["steps"]:
        if step.get("id") != "run":
            continue
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "GITHUB_REPOSITORY": REPOSITORY,
            "RUNNER_TEMP": str(scratch),
            **{name: str(path) for name, path in files.items()},
            **{name: _filled(value, given) for name, value in step["env"].items()},
            **variables,
        }
        assert "${{" not in step["run"], "a shell must not be given what others wrote"
        ran = run(step["run"], folder, environment)
        code, log = ran.returncode, ran.stdout + ran.stderr
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text(encoding="utf-8").splitlines())
    return Step(code, log, files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8"), outputs)


def run_job(
    job: Mapping[str, Any], folder: Path, scratch: Path, expressions: Mapping[str, str], variables: Mapping[str, str]
) -> Step:
    """Does the `run` steps of a workflow's job in bash, as a runner does; `expressions` are what `${{ }}` gives."""
    files = {name: scratch / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    for path in files.values():
        path.write_text("", encoding="utf-8")
    code, log = 0, ""
    for step in job["steps"]:
        if code or "run" not in step:
            continue
        assert "${{" not in step["run"], "a shell must not be given what others wrote"
        given = {
            name: re.sub(r"\$\{\{ (.*?) \}\}", lambda found: expressions[found[1]], value)
            for name, value in step.get("env", {}).items()
        }
        environment = {
            **variables,
            "CI": "true",
            "RUNNER_TEMP": str(scratch),
            "GITHUB_REPOSITORY": REPOSITORY,
            **given,
        }
        environment |= {name: str(path) for name, path in files.items()}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        code, log = ran.returncode, log + ran.stdout + ran.stderr
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text(encoding="utf-8").splitlines())
    return Step(code, log, files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8"), outputs)


def _filled(value: str, given: Mapping[str, str]) -> str:
    reported = value.replace("${{ github.action_path }}", str(ACTION))
    reported = re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda found: given[found[1]], reported)
    assert "${{" not in reported, value
    return reported
