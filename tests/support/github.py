"""GitHub without GitHub: its API on loopback, and a runner that does the shell steps of a composite action."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ACTION = Path(__file__).parents[2] / "infra/github"
TOKEN = "ghs_token"
REPOSITORY = "acme/flags"


@dataclass
class Api:
    """The stub's state: comments of the one issue, tips of branches, and what was asked."""

    comments: list[dict[str, Any]] = field(default_factory=list)
    tips: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    url: str = ""

    def add(self, body: str, kind: str = "User") -> None:
        """A comment by somebody."""
        self.comments.append({"id": len(self.comments) + 1, "body": body, "user": {"type": kind, "login": kind}})

    def bodies(self, kind: str = "Bot") -> list[str]:
        """What somebody's comments say."""
        return [comment["body"] for comment in self.comments if comment["user"]["type"] == kind]

    def writes(self) -> list[tuple[str, str]]:
        """The calls that changed something."""
        return [call for call in self.calls if call[0] != "GET"]

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any, str]:
        """Status, body and Link of one call; pages of a hundred, as GitHub's."""
        self.calls.append((method, path))
        if self.failures:
            return self.failures.pop(0), {"message": "no"}, ""
        place, _, query = path.partition("?")
        base = f"/repos/{REPOSITORY}"
        if place == f"{base}/issues/7/comments":
            if method == "POST":
                self.add(body["body"], "Bot")
                return 201, self.comments[-1], ""
            named = re.search(r"\bpage=(\d+)", query)
            page = int(named[1]) if named else 1
            following = f'<{self.url}{place}?per_page=100&page={page + 1}>; rel="next"'
            listed = self.comments[(page - 1) * 100 : page * 100]
            return 200, listed, following if len(self.comments) > page * 100 else ""
        if method == "PATCH" and (found := re.fullmatch(rf"{base}/issues/comments/(\d+)", place)):
            self.comments[int(found[1]) - 1]["body"] = body["body"]
            return 200, {}, ""
        if found := re.fullmatch(rf"{base}/git/ref/heads/(.+)", place):
            return 200, {"object": {"sha": self.tips[found[1]]}}, ""
        return 404, {"message": "Not Found"}, ""


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
            told = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(told)))
            if link:
                self.send_header("Link", link)
            if status == 429:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 - names that the server calls

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Step(NamedTuple):
    """What a run of the action left behind."""

    code: int
    log: str
    summary: str
    outputs: dict[str, str]


def run_action(
    folder: Path, scratch: Path, inputs: Mapping[str, str], variables: Mapping[str, str], event: Any
) -> Step:
    """Does the `run` steps of action.yml in bash, as a runner does; Burgee is what the tests run with."""
    action = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))
    given = {name: str(spec.get("default", "")) for name, spec in action["inputs"].items()} | dict(inputs)
    given["token"] = given["token"].replace("${{ github.token }}", TOKEN)
    files = {name: scratch / name for name in ("GITHUB_EVENT_PATH", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    files["GITHUB_EVENT_PATH"].write_text(json.dumps(event), encoding="utf-8")
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        files[name].write_text("", encoding="utf-8")
    (scratch / "burgee").mkdir(exist_ok=True)
    if not (scratch / "burgee/bin").exists():
        (scratch / "burgee/bin").symlink_to(Path(sys.executable).parent)
    code, log = 0, ""
    for step in action["runs"]["steps"]:
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
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        code, log = ran.returncode, ran.stdout + ran.stderr
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text(encoding="utf-8").splitlines())
    return Step(code, log, files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8"), outputs)


def _filled(value: str, given: Mapping[str, str]) -> str:
    told = value.replace("${{ github.action_path }}", str(ACTION))
    told = re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda found: given[found[1]], told)
    assert "${{" not in told, value
    return told
