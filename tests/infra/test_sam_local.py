"""`sam local` for real: the built packages in an image like Lambda's, where there are an engine and that image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from support.build import ARCHITECTURE, BIN, build, project, python_3_13, run
from support.lambda_runtime import EVENTS, free_port
from support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = f"public.ecr.aws/lambda/python:3.13-{ARCHITECTURE}"
LOCAL = ["--skip-pull-image", "--parameter-overrides", f"Architecture={ARCHITECTURE}"]


def missing() -> str | None:
    """Why this cannot run here."""
    if python_3_13() is None:
        return "no Python 3.13, which is Lambda's"
    if shutil.which("docker") is None or run("docker", "info").returncode != 0:
        return "no container engine runs here"
    if run("docker", "image", "inspect", IMAGE).returncode != 0:
        return f"the image is not here: docker pull {IMAGE}"
    return None


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was built, without AWS's credentials or a table."""
    if (why := missing()) is not None:
        pytest.skip(why)
    copy = project(tmp_path_factory.mktemp("local"))
    build(copy)
    (copy / "env.json").write_text(json.dumps({"Parameters": {"BURGEE_TABLE": ""}}), encoding="utf-8")
    return copy


pytestmark = pytest.mark.stack


@pytest.mark.parametrize(
    ("name", "reported"),
    [
        ("http-api-user-flag", {"variant": "green", "reason": "TARGETING_MATCH"}),
        ("rest-api-user-flag", {"variant": "green", "reason": "TARGETING_MATCH"}),
        ("http-api-health", {"status": "healthy", "source": "bundled"}),
    ],
)
def test_an_event_is_answered_from_the_package(built: Path, name: str, reported: dict[str, Any]) -> None:
    command = [str(BIN / "sam"), "local", "invoke", "EvaluateFunction", "-e", str(EVENTS / f"{name}.json"), *LOCAL]
    ran = run(*command, "--env-vars", "env.json", cwd=built)
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout.strip().splitlines()[0])
    assert answer["statusCode"] == 200
    assert reported.items() <= json.loads(answer["body"]).items()


def test_the_routes_of_the_template_are_served(built: Path) -> None:
    port = free_port()
    command = [str(BIN / "sam"), "local", "start-api", "--port", str(port), *LOCAL, "--env-vars", "env.json"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    environment |= {"AWS_DEFAULT_REGION": "eu-west-1", "SAM_CLI_TELEMETRY": "0"}
    log = built / "api.log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, cwd=built, stdout=output, stderr=output, env=environment)
        try:
            answered = ask(f"http://127.0.0.1:{port}/users/user-1/flags/checkout_button", process, log)
            assert json.loads(answered)["variant"] == "green"
            every = json.loads(ask(f"http://127.0.0.1:{port}/users/user-1/flags?country=DE", process, log))
            assert {flag["flag_name"] for flag in every["flags"]} == {"dark_mode", "beta_search", "checkout_button"}
        finally:
            process.terminate()
            process.wait(60)


def ask(url: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """The body of an answer, once there is one."""

    def look() -> str:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        with suppress(OSError), urllib.request.urlopen(url, timeout=PATIENCE) as response:
            return str(response.read().decode())
        return ""

    return eventually(look, lambda: log.read_text(encoding="utf-8"))
