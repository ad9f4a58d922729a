"""A repository with its pull requests, in which the action runs as a workflow's runner would start it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from support.dynamodb import CREDENTIALS
from support.github import REPOSITORY, Api, Ran, Step, run_action, run_main

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


FILE = """\
version: 1
environments: [staging, production]
flags:
  beta:
    status: on
    rollout_percentage: 5
    environments:
      production: {rollout_percentage: 1}
"""
MARKER = "<!-- burgee: flags.yaml -->"


class Repository:
    """A clone of a bare remote, and the runner's view of it."""

    def __init__(self, folder: Path, api: Api) -> None:
        self.api = api
        self.run: Callable[[str, Path, Mapping[str, str]], Ran] = run_main
        self.scratch = folder / "runner"
        self.scratch.mkdir()
        self.remote = folder / "remote.git"
        self.clone = folder / "clone"
        self.git("init", "-q", "--bare", "-b", "main", str(self.remote), at=folder)
        self.git("clone", "-q", str(self.remote), str(self.clone), at=folder)
        self.commit(FILE, "First")
        self.push("main")

    def git(self, *arguments: str, at: Path | None = None) -> str:
        identity = {f"GIT_{who}_{what}": f"a@{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {**os.environ, **identity, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        command = ["git", *arguments]
        ran = subprocess.run(
            command, cwd=at or self.clone, env=environment, capture_output=True, text=True, check=True
        )
        return ran.stdout.strip()

    def commit(self, text: str, message: str) -> None:
        (self.clone / "flags.yaml").write_text(text, encoding="utf-8")
        self.git("add", ".")
        self.git("commit", "-qm", message, "--allow-empty")

    def push(self, branch: str) -> str:
        self.git("push", "-q", "-f", "origin", f"HEAD:refs/heads/{branch}")
        tip = self.git("rev-parse", "HEAD")
        self.api.tips[branch] = tip
        return tip

    def branch(self, name: str, text: str, start: str = "origin/main") -> str:
        """A branch with one commit, pushed."""
        self.git("checkout", "-q", "-B", name, start)
        self.commit(text, f"Work on {name}")
        return self.push(name)

    def review(self, head: str, source: str | None = REPOSITORY, **inputs: str) -> Step:
        """What the action does on a pull request of a branch into main, on GitHub's merge or on the branch alone."""
        merged = inputs.pop("checkout", "merge") == "merge"
        self.git("fetch", "-q", "origin")
        base = self.git("rev-parse", "origin/main")
        self.git("checkout", "-q", "--detach", base if merged else head)
        if merged:
            self.git("merge", "-q", "--no-ff", "-m", "merge", head)
        pull = {
            "number": 7,
            "title": '"; touch /tmp/pwned; echo "$(id)',
            "base": {"sha": base},
            "head": {"sha": head, "ref": "`id`", "repo": {"full_name": source} if source else None},
        }
        return self.act("review", {"pull_request": pull}, **inputs)

    def act(self, command: str, event: Any, ref: str = "refs/pull/7/merge", **inputs: str) -> Step:
        variables = {
            **CREDENTIALS,
            "GITHUB_API_URL": self.api.url,
            "GITHUB_SHA": self.git("rev-parse", "HEAD"),
            "GITHUB_REF": ref,
            "GITHUB_ACTOR": "ada",
            "AWS_ENDPOINT_URL": inputs.pop("endpoint", ""),
            "GITHUB_EVENT_NAME": inputs.pop("event_name", "pull_request"),
        }
        named = {name.replace("_", "-"): value for name, value in inputs.items()}
        return run_action(self.clone, self.scratch, {"command": command, **named}, variables, event, run=self.run)
