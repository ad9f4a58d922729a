"""A newcomer with nothing but the wheels: from an empty folder to a flag that a deployed function answers."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from burgee.version import __version__
from support.build import ARCHITECTURE, BIN, ROOT, python_3_13, run
from support.dynamodb import CREDENTIALS
from support.github import TOKEN, github, run_job
from support.lambda_runtime import CloudFormation, emulator, event, free_port, function
from support.stack import Emulator, Stack, aws
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.github import Api, Step

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(python_3_13() is None, reason="no Python 3.13, which is Lambda's"),
    pytest.mark.skipif(emulator() is None, reason="the runtime interface emulator runs on Linux x86_64"),
]
IDENTITY = {f"GIT_{who}_{what}": f"a@{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
TABLE_EXPRESSION = "vars.BURGEE_REVIEW_ROLE != '' && github.event_name == 'pull_request' && vars.BURGEE_TABLE || ''"


def wheels_of(source: Path, folder: Path) -> Path:
    """Both distributions, as `make dist` builds them."""
    command = [str(BIN / "uv"), "build", "-q", "--offline", "--no-build-isolation", "--wheel", "-o", str(folder)]
    for project in (source, source / "infra/distribution"):
        built = run(*command, "--python", str(BIN / "python"), str(project), SOURCE_DATE_EPOCH="1700000000")
        assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels_of(ROOT, tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with aws(tmp_path_factory.mktemp("emulator")) as found:
        yield found


@dataclass
class Person:
    """A developer's own folder, with a virtual environment, SAM and Git; no checkout of Burgee is near."""

    folder: Path
    wheels: Path
    url: str

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.folder}/.venv/bin:{self.tools}:{os.environ['PATH']}"
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "PIP_INDEX_URL") if name in os.environ}
        more = {"PATH": path, "AWS_ENDPOINT_URL": self.url, "PIP_FIND_LINKS": str(self.wheels)}
        return {**kept, **CREDENTIALS, **IDENTITY, **more, "SAM_CLI_TELEMETRY": "0", "GIT_CONFIG_GLOBAL": "/dev/null"}

    @property
    def tools(self) -> Path:
        """`sam` alone, and nothing else of the environment that the tests run in."""
        folder = self.folder.with_name(f"{self.folder.name}-tools")
        folder.mkdir(exist_ok=True)
        if not (folder / "sam").exists():
            (folder / "sam").symlink_to(BIN / "sam")
        return folder

    def tried(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    def does(self, *command: str) -> str:
        """A command that has to succeed; what it says."""
        ran = self.tried(*command)
        assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    def installs(self, version: str = __version__) -> None:
        self.does(str(python_3_13()), "-m", "venv", ".venv")
        self.does("pip", "install", "-q", "--disable-pip-version-check", f"burgee=={version}")

    def commits(self, message: str) -> str:
        self.does("git", "add", ".")
        self.does("git", "commit", "-qm", message)
        return self.does("git", "rev-parse", "HEAD").strip()

    def edits(self, name: str, before: str, after: str) -> None:
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert before in text
        path.write_text(text.replace(before, after), encoding="utf-8")


def person(folder: Path, wheels: Path, cloud: Emulator) -> Person:
    folder.mkdir()
    return Person(folder, wheels, cloud.url)


def test_from_an_empty_folder_to_a_deployed_answer(wheels: Path, cloud: Emulator, tmp_path: Path) -> None:
    ada = person(tmp_path / "shop", wheels, cloud)
    ada.installs()
    assert str(ada.folder) in ada.does("python", "-c", "import burgee; print(burgee.__file__)")
    ada.does("git", "init", "-q", "-b", "main")
    ada.does("burgee", "init", "--github")
    assert served_at_once(ada) == {"flag_name": "new_search", "enabled": True}
    ada.commits("Add flags")

    ada.does("burgee", "build", "--env", "production", "--arch", ARCHITECTURE)
    stack = Stack(ada.folder, cloud.url, "burgee-production")
    every_handler_runs(ada, cloud, tmp_path)
    parameters = ["Environment=production", f"Architecture={ARCHITECTURE}", "RefreshSeconds=1"]
    deploys(ada, "infra/samconfig.toml", *parameters)
    table = stack.output("Table")
    key = ada.does("burgee", "keys", "create", "server", "--table", table, "--env", "production").strip()
    assert answered(stack, key)["value"] is False

    with github() as api:
        changed_by_a_pull_request(ada, api, table, tmp_path)
    eventually(lambda: answered(stack, key)["value"] is True)

    checks = json.loads(ada.does("burgee", "doctor", "--table", table, "--env", "production", "--json"))
    assert not [one for one in checks if one["level"] == "problem"]
    assert {"drift", "table"} <= {one["check"] for one in checks if one["level"] == "ok"}

    ada.edits("flags.yaml", "{rollout_percentage: 100}", "{rollout_percentage: 7}")
    ada.does("burgee", "build", "--env", "production", "--arch", ARCHITECTURE)
    deploys(ada, "infra/samconfig.toml", *parameters)
    assert (
        json.loads(ada.does("burgee", "history", "--table", table, "--env", "production", "--json"))["current"] == 2
    )


def served_at_once(who: Person) -> dict[str, Any]:
    """What `burgee serve` answers about a flag that `burgee init` wrote."""
    port = free_port()
    command = ["burgee", "serve", "--port", str(port)]
    environment = {name: value for name, value in who.environment.items() if not name.startswith("AWS_")}
    with subprocess.Popen(command, cwd=who.folder, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert f"http://127.0.0.1:{port}" in process.stderr.readline()
            url = f"http://127.0.0.1:{port}/users/ada/flags/new_search?email=ada@example.com"
            with urllib.request.urlopen(url, timeout=30) as response:
                reported = json.load(response)
        finally:
            process.terminate()
    return {name: reported[name] for name in ("flag_name", "enabled")}


def every_handler_runs(who: Person, cloud: Emulator, tmp_path: Path) -> None:
    """Under AWS's runtime client, from the folders that `burgee build` made, on an empty table."""
    tables = Stack(who.folder, cloud.url).client("dynamodb")
    keys = [("pk", "HASH"), ("sk", "RANGE")]
    tables.create_table(
        TableName="tried",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
    )
    environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": cloud.url, "BURGEE_TABLE": "tried", "BURGEE_EVENT_BUS": "none"}
    environment |= {"BURGEE_ENVIRONMENT": "production", "BURGEE_ACCESS": "open"}
    cloudformation = CloudFormation()
    built = yaml.load((who.folder / ".aws-sam/build/template.yaml").read_text(encoding="utf-8"), yaml.BaseLoader)
    functions = {
        one["Properties"]["Handler"]: one["Properties"]["CodeUri"]
        for one in built["Resources"].values()
        if one["Type"] == "AWS::Serverless::Function"
    }
    asked = {
        "load": cloudformation.request("Create"),
        "evaluate": event("http-api-health"),
        "manage": event("http-api-releases"),
        "canary_alarm": event("alarm"),
        "audit_stream": {"Records": []},
    }
    # The others are there for a stack with `WebhookKey`, `Live` or `Guards`, and have tests of their own.
    assert set(functions) >= {f"burgee.handlers.{name}.handler" for name in asked}
    answers = {}
    for name, payload in asked.items():
        handler = f"burgee.handlers.{name}.handler"
        code = who.folder / ".aws-sam/build" / functions[handler]
        with function(handler, code, tmp_path / f"{name}.log", environment, cloud.python) as invoke:
            answers[name] = invoke(payload)
    cloudformation.shutdown()
    cloudformation.server_close()
    assert [one["Status"] for one in cloudformation.reported] == ["SUCCESS"]
    assert json.loads(answers["evaluate"]["body"])["release"]["version"] == 1
    assert answers["manage"]["statusCode"] in {200, 401}
    assert answers["canary_alarm"]["release"] is None
    assert answers["audit_stream"] == {"batchItemFailures": []}


def deploys(who: Person, config: str, *parameters: str) -> None:
    """As the pages say, without the question."""
    options = ["--config-file", config, "--config-env", "production", "--no-confirm-changeset"]
    who.does("sam", "deploy", *options, "--no-progressbar", "--parameter-overrides", *parameters)


def answered(stack: Stack, key: str) -> Any:
    """What the deployed function says of a flag to a user from outside."""
    reported = stack.asked("user-1", "new_search", key)
    assert reported["statusCode"] == 200, reported
    return json.loads(reported["body"])


def changed_by_a_pull_request(who: Person, api: Api, table: str, tmp_path: Path) -> None:
    """The workflow that `burgee init` wrote, both of its jobs: a comment on the pull request, a release after it."""
    remote = tmp_path / "remote.git"
    who.does("git", "init", "-q", "--bare", "-b", "main", str(remote))
    who.does("git", "remote", "add", "origin", str(remote))
    who.does("git", "push", "-q", "origin", "main")
    base = who.does("git", "rev-parse", "HEAD").strip()
    who.does("git", "checkout", "-qb", "raise")
    who.edits("flags.yaml", "{rollout_percentage: 5}", "{rollout_percentage: 100}")
    head = who.commits("Give everybody the new search")
    who.does("git", "checkout", "-q", "main")
    who.does("git", "merge", "-q", "--no-ff", "-m", "Merge", "raise")
    jobs = yaml.safe_load((who.folder / ".github/workflows/flags.yml").read_text(encoding="utf-8"))["jobs"]
    pull = {
        "number": 7,
        "title": "Raise",
        "base": {"sha": base},
        "head": {"sha": head, "ref": "raise", "repo": {"full_name": "acme/flags"}},
    }
    reported = tmp_path / "event.json"
    reported.write_text(json.dumps({"pull_request": pull}), encoding="utf-8")
    tip = who.does("git", "rev-parse", "HEAD").strip()
    expressions = {
        "github.token": TOKEN,
        "vars.BURGEE_ENVIRONMENTS": "production",
        "vars.BURGEE_TABLE": table,
        "inputs.insist": "",
        TABLE_EXPRESSION: table,
    }

    def runs(job: str, name: str, ref: str) -> Step:
        variables = {
            **who.environment,
            "GITHUB_API_URL": api.url,
            "GITHUB_ACTOR": "ada",
            "GITHUB_SHA": tip,
            "GITHUB_REF": ref,
            "GITHUB_EVENT_NAME": name,
            "GITHUB_EVENT_PATH": str(reported),
        }
        return run_job(jobs[job], who.folder, tmp_path, expressions, variables)

    reviewed = runs("review", "pull_request", "refs/pull/7/merge")
    assert (reviewed.code, reviewed.outputs) == (0, {"changes": "true"}), reviewed.log
    (comment,) = api.bodies()
    assert "| 5 % → 100 % | off → on |" in comment
    who.does("git", "push", "-q", "origin", "main")
    api.tips["main"] = tip
    released = runs("release", "push", "refs/heads/main")
    assert (released.code, json.loads(released.outputs["releases"])) == (0, {"production": 2}), released.log


THEIRS = """\
AWSTemplateFormatVersion: "2010-09-09"
Resources:
  Orders:
    Type: AWS::SQS::Queue
"""
FLAGS = """\
version: 1
environments: [production]
flags:
  ours: {status: on}   # a comment of ours
"""


def test_a_repository_with_a_stack_flags_and_workflow_of_its_own_loses_nothing(
    wheels: Path, cloud: Emulator, tmp_path: Path
) -> None:
    eve = person(tmp_path / "old", wheels, cloud)
    eve.installs()
    theirs = {
        "template.yaml": THEIRS,
        "flags.yaml": FLAGS,
        ".github/workflows/flags.yml": "name: ours\non: push\njobs: {}\n",
        ".github/CODEOWNERS": "* @acme/all\n",
        ".gitignore": "node_modules\n.venv\n",
        "infra/samconfig.toml": "version = 0.1\n",
        "functions/requirements.txt": "requests\n",
    }
    for name, text in theirs.items():
        path = eve.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    eve.does("git", "init", "-q", "-b", "main")
    eve.commits("As it was")

    ran = eve.tried("burgee", "init", "--github")
    assert ran.returncode == 1
    assert ".github/workflows/flags.yml already exists and differs; it was left unchanged" in ran.stderr
    assert {name: (eve.folder / name).read_text(encoding="utf-8") for name in theirs} == theirs
    added = eve.does("git", "ls-files", "--others", "--exclude-standard").split()
    assert {"infra/burgee.yaml", "infra/burgee/requirements.txt"} <= set(added)
    eve.commits("Add what `burgee init` wrote")

    deploy = ["sam", "deploy", "--resolve-s3", "--no-confirm-changeset", "--no-progressbar"]
    eve.does(*deploy, "--stack-name", "shop", "--template-file", "template.yaml")
    eve.does("burgee", "build", "--env", "production", "--arch", ARCHITECTURE)
    parameters = ["--parameter-overrides", "Environment=production", f"Architecture={ARCHITECTURE}"]
    eve.does(*deploy, "--stack-name", "flags", "--capabilities", "CAPABILITY_IAM", *parameters)
    stack = Stack(eve.folder, cloud.url, "flags")
    key = eve.does("burgee", "keys", "create", "server", "--table", stack.output("Table"), "--env", "production")
    reported = stack.asked("user-1", "ours", key.strip())
    assert json.loads(reported["body"])["value"] is True
    assert Stack(eve.folder, cloud.url, "shop").status() == "CREATE_COMPLETE"
    assert {name: (eve.folder / name).read_text(encoding="utf-8") for name in theirs} == theirs


PARTS = ("template.yaml", "flags.yaml", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore")


def older(folder: Path) -> tuple[Path, str]:
    """Wheels of an earlier version, whose template differs in two places; their folder and the version."""
    source, version = folder / "source", "0.9.0"
    source.mkdir()
    archived = run("git", "ls-files", "-z", "functions", "infra", *PARTS).stdout.split("\0")
    for name in filter(None, archived):
        place = source / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((ROOT / name).read_bytes())
    for name in ("functions/burgee/version.py", "infra/distribution/pyproject.toml"):
        text = (source / name).read_text(encoding="utf-8")
        assert __version__ in text
        (source / name).write_text(text.replace(__version__, version), encoding="utf-8")
    template = (source / "template.yaml").read_text(encoding="utf-8")
    for now, before in (
        ("    Timeout: 10\n", "    Timeout: 9\n"),
        ("    MemorySize: 1024\n", "    MemorySize: 512\n"),
    ):
        assert template.count(now) == 1
        template = template.replace(now, before)
    (source / "template.yaml").write_text(template, encoding="utf-8")
    return wheels_of(source, folder / "wheels"), version


def test_a_repository_of_an_older_wheel_is_upgraded_and_keeps_its_edits(
    wheels: Path, cloud: Emulator, tmp_path: Path
) -> None:
    before, version = older(tmp_path)
    kim = person(tmp_path / "kept", before, cloud)
    kim.installs(version)
    kim.does("burgee", "init", "--github")
    kim.does("git", "init", "-q", "-b", "main")
    kim.edits("template.yaml", "Default: arm64", "Default: x86_64")
    kim.commits(f"Start with {version}")
    assert "0.9.0" in kim.does("burgee", "--version")

    kim.wheels = wheels
    kim.does("pip", "install", "-q", "--disable-pip-version-check", f"burgee=={__version__}")
    assert "run `burgee upgrade`" in kim.does("burgee", "doctor")
    checked = kim.tried("burgee", "upgrade", "--check")
    assert checked.returncode == 1
    assert "+    Timeout: 10" in checked.stdout
    assert f"+burgee-core=={__version__}" in checked.stdout
    assert kim.does("git", "status", "--porcelain") == "", "--check writes nothing"
    shown = kim.does("burgee", "upgrade")
    assert "-    Timeout: 9" in shown
    text = (kim.folder / "template.yaml").read_text(encoding="utf-8")
    for line in ("Default: x86_64", "    Timeout: 10\n", "    MemorySize: 1024\n"):
        assert line in text
    assert f'Burgee: {{Version: "{__version__}"}}' in text
    assert f"burgee=={__version__}" in (kim.folder / ".github/workflows/flags.yml").read_text(encoding="utf-8")
    assert kim.tried("burgee", "upgrade", "--check").returncode == 0

    kim.does("git", "checkout", "-q", ".")
    kim.edits("template.yaml", "    MemorySize: 512\n", "    MemorySize: 2048\n")
    digest = hashlib.sha256((kim.folder / "template.yaml").read_bytes()).hexdigest()
    conflict = kim.tried("burgee", "upgrade")
    assert conflict.returncode == 1
    assert "template.yaml: you and this version changed the same lines; the merge is in" in conflict.stderr
    assert hashlib.sha256((kim.folder / "template.yaml").read_bytes()).hexdigest() == digest
    merge = (kim.folder / "template.yaml.conflict").read_text(encoding="utf-8")
    for line in ("<<<<<<< yours", "    MemorySize: 2048", "    MemorySize: 1024"):
        assert line in merge
