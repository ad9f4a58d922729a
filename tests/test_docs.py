"""The documentation, compared with the program."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
import yaml
from starlette.testclient import TestClient

from burgee.cli.app import app
from burgee.cli.recording import recorder
from burgee.cli.serve import Follower
from burgee.cli.stores import StoreOptions
from burgee.evaluation.operators import OPERATORS
from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file
from burgee.flagfile.flag_tests import run_tests
from burgee.flagfile.grammar import json_schema
from burgee.flagfile.source import Source
from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.front import Setup
from conformance import SUITES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.cli import Burgee

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
FLAG_FILE = ROOT / "docs/flag-file.md"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "example",
    [one for page in (FLAG_FILE, ROOT / "README.md", ROOT / "docs/openfeature.md") for one in blocks(page, "yaml")],
)
def test_every_example_of_a_flag_file_compiles_and_its_tests_pass(tmp_path: Path, example: str) -> None:
    path = tmp_path / "flags.yaml"
    head = "" if example.startswith("version") else "version: 1\n"
    if "production" in example and "\nenvironments:" not in f"\n{example}":
        head += "environments: [production]\n"
    path.write_text(head + example, encoding="utf-8")
    for environment in [None, *yaml.safe_load(path.read_text(encoding="utf-8")).get("environments", [])]:
        ruleset = Ruleset(compile_file(path, environment))
        assert ruleset.check() == {}
    assert run_tests(Source(path))[1] == []


def keys(schema: Any) -> Iterator[str]:
    """Every property that the grammar knows."""
    if isinstance(schema, dict):
        for name, value in schema.get("properties", {}).items():
            yield name
            yield from keys(value)
        for name, value in schema.items():
            if name != "properties":
                yield from keys(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from keys(item)


def test_the_flag_file_page_shows_every_key() -> None:
    page = FLAG_FILE.read_text(encoding="utf-8")
    missing = {key for key in keys(json_schema()) if not re.search(rf"\b{key}\b", page)}
    assert missing == set()


def test_the_command_line_page_has_every_command_and_option_and_no_other() -> None:
    page = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    sections = re.split(r"^## burgee ", page, flags=re.MULTILINE)
    documented = {heading(section): set(re.findall(r"`(--[a-z][a-z-]*)", section)) for section in sections[1:]}
    command = typer.main.get_command(app)
    commands: dict[str, Any] = command.commands  # type: ignore[attr-defined]
    actual = {}
    for name, sub in flat(commands):
        options = {
            opt for param in sub.params for opt in [*param.opts, *param.secondary_opts] if opt.startswith("--")
        }
        actual[name] = options
    assert documented == actual
    heads = [option for param in command.params for option in param.opts if option.startswith("--")]
    assert all(f"`{option}`" in sections[0] for option in heads)


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))])
def test_every_command_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^(?:\$ )?(burgee .*)$", text, re.MULTILINE)
    named = {found for line in lines for found in re.findall(r"(?<![\w./-])burgee ([a-z]+)", line)}
    assert named <= set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def heading(section: str) -> str:
    """The command of a section: its first words, before what it takes."""
    return "-".join(word for word in section.partition("\n")[0].split() if word.islower())


def flat(commands: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, command in commands.items():
        if hasattr(command, "commands"):
            yield from ((f"{name}-{inner}", sub) for inner, sub in flat(command.commands))
            if command.invoke_without_command:
                yield name, command
        else:
            yield name, command


def test_the_readme_curl_lines_answer_as_printed(tmp_path: Path) -> None:
    shutil.copy(ROOT / "flags.yaml", tmp_path)
    store = SqliteStore(":memory:")
    serving = Serving(store, refresh_seconds=0)
    with contextlib.redirect_stderr(io.StringIO()):
        Follower(tmp_path / "flags.yaml", None, store, serving.refresh).release()
    client = TestClient(create_app(store, serving))
    ran = 0
    for session in blocks(ROOT / "README.md", "console"):
        for call, printed in re.findall(r"^\$ (curl .*)\n((?:[^$].*\n)*)", session, re.MULTILINE):
            method, url, headers, data = curl(call)
            answered = client.request(method, url, headers=headers, content=data)
            assert answered.status_code == 200, answered.text
            if printed:
                assert answered.json() == json.loads(printed)
                assert answered.text == printed.strip()
            ran += 1
    store.close()
    assert ran == 4


def test_the_experiment_on_your_machine_counts_its_exposures(burgee: Burgee) -> None:
    page = ROOT / "docs/experiments.md"
    example = next(block for block in blocks(page, "yaml") if "auto_expose" in block)
    (session,) = [block for block in blocks(page, "sh") if "burgee experiment report" in block]
    path = burgee.write(example)
    store, recording = SqliteStore(":memory:"), recorder(StoreOptions(path, None))
    serving = Serving(store, refresh_seconds=0)
    Follower(path, None, store, serving.refresh).release()
    client = TestClient(create_app(store, serving, Setup(recorder=recording)))
    printed = {}
    for line in re.split(r"\n(?! )", session.replace("\\\n", " ").strip()):
        command, *arguments = shlex.split(line, comments=True)
        if command == "curl":
            method, url, headers, data = curl(shlex.join([command, *arguments]))
            answered = client.request(method, url, headers=headers, content=data)
            assert answered.status_code == 200, answered.text
        else:
            assert recording.drain(10)
            ran = burgee(*arguments)
            assert (command, ran.code) == ("burgee", 0)
            printed[arguments[0]] = ran.out + ran.err
    store.close()
    assert printed["lint"] == "1 flag, 0 tests: no problems\n"
    assert "2 exposures and 2 events count here" in printed["experiment"]
    assert "blue: 1\n  green: 1\n" in printed["experiment"]
    assert "BAD" not in printed["experiment"]

    text = example.replace("auto_expose: true", "auto_expose: true\n      environment: production")
    burgee.write(text.replace("version: 1", "version: 1\nenvironments: [production]"))
    uncounted = "2 exposures of environment default are not counted: the plan says production"
    reported = burgee("experiment", "report", "buy_button").out
    assert f"no unit was exposed to blue, green; {uncounted}" in reported


def curl(line: str) -> tuple[str, str, dict[str, str], str | None]:
    method, url, headers, data = "GET", "", {}, None
    words = iter(shlex.split(line)[1:])
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-d":
            data = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word.startswith("http"):
            url = word.removeprefix("http://127.0.0.1:8000")
        else:
            assert word == "-s"
    return method, url, headers, data


def test_the_readme_eval_answers_as_printed(burgee: Burgee) -> None:
    shutil.copy(ROOT / "flags.yaml", burgee.folder)
    (session,) = [block for block in blocks(ROOT / "README.md", "console") if "$ burgee eval" in block]
    command, _, printed = session.partition("\n")
    assert burgee(*shlex.split(command.removeprefix("$ burgee"))).out == printed


def test_the_readme_diff_answers_as_printed(burgee: Burgee) -> None:
    shutil.copy(ROOT / "flags.yaml", burgee.folder)
    (session,) = [block for block in blocks(ROOT / "README.md", "console") if "$ burgee diff" in block]
    command, _, printed = session.partition("\n")
    identity = ["-c", "user.name=A", "-c", "user.email=a@x"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *arguments], cwd=burgee.folder, check=True, capture_output=True)
    text = (ROOT / "flags.yaml").read_text(encoding="utf-8")
    burgee.write(text.replace("rollout_percentage: 25", "rollout_percentage: 40"))
    assert burgee(*shlex.split(command.removeprefix("$ burgee"))).out == printed


def test_the_first_ten_minutes_answer_as_printed(burgee: Burgee) -> None:
    page = ROOT / "docs/start.md"
    assert burgee("init", "--github").code == 0
    (served,) = re.findall(r"^\$ burgee serve --env (\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    (session,) = [block for block in blocks(page, "console") if "$ curl" in block]
    call, _, printed = session.partition("\n")
    store = SqliteStore(":memory:")
    serving = Serving(store, refresh_seconds=0)
    with contextlib.redirect_stderr(io.StringIO()):
        Follower(burgee.folder / "flags.yaml", served, store, serving.refresh).release()
    method, url, _, _ = curl(call.removeprefix("$ "))
    assert TestClient(create_app(store, serving)).request(method, url).text == printed.strip()
    store.close()

    identity = ["-c", "user.name=A", "-c", "user.email=a@x"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *arguments], cwd=burgee.folder, check=True, capture_output=True)
    text = (burgee.folder / "flags.yaml").read_text(encoding="utf-8")
    burgee.write(text.replace("rollout_percentage: 25", "rollout_percentage: 40"))
    (session,) = [block for block in blocks(page, "console") if "$ burgee diff" in block]
    command, _, printed = session.partition("\n")
    assert burgee(*shlex.split(command.removeprefix("$ burgee"))).out == printed


def test_the_bucketing_page_computes() -> None:
    (example,) = blocks(ROOT / "docs/bucketing.md", "python")
    exec(compile(example, "docs/bucketing.md", "exec"), {})


@pytest.mark.parametrize("page", [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    """Every page is in the navigation, and every link and anchor leads somewhere."""
    command = [str(BIN / "mkdocs"), "build", "-q", "--strict", "-f", str(ROOT / "infra/mkdocs.yml")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(
        [*command, "-d", str(tmp_path)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    front = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="flag-file/"' in front
    assert (tmp_path / "repository/template.yaml").read_bytes() == (ROOT / "template.yaml").read_bytes()


def test_the_conformance_page_counts_tests_that_are_there() -> None:
    page = (ROOT / "docs/conformance.md").read_text(encoding="utf-8")
    for suite in SUITES:
        assert suite.name in (ROOT / suite.file).read_text(encoding="utf-8"), suite.title
        assert f"| {suite.title} |" in page


def test_contributing_lists_every_folder_in_its_own_words() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    inits = list((ROOT / "functions/burgee").glob("*/__init__.py"))
    assert len(inits) > 12
    for init in inits:
        purpose = (ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or "").partition("\n")[0]
        assert purpose
        assert f"| `{init.parent.name}/` | {purpose} |" in page


def test_contributing_names_files_that_are_there() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", page)
    assert len(named) > 12
    places = (ROOT / "functions/burgee", ROOT)
    assert not [name for name in named if not any((place / name).exists() for place in places)]


def test_decisions_are_listed_with_their_numbers_and_titles_and_name_files_that_are_there() -> None:
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| \[(\d{4})\]\(\1-[a-z-]+\.md\) \| (.+) \|$", index, flags=re.MULTILINE))
    named = 0
    for path in folder.glob("0*.md"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]}: {rows.pop(path.name[:4])}\n")
        files = re.findall(r"`([a-z_]+/[\w/]+\.(?:py|json|mjs))`", text)
        places = (ROOT / "functions/burgee", ROOT)
        assert not [name for name in files if not any((place / name).exists() for place in places)], path.name
        named += len(files)
    assert not rows
    assert named > 8
    numbers = {int(path.name[:4]) for path in folder.glob("0*.md")}
    unused = re.findall(r"\b\d{4}\b", index[index.index("Numbers ") : index.index(" were never used")])
    assert set(map(int, unused)) == set(range(1, max(numbers))) - numbers


def test_the_flag_files_page_has_every_operator() -> None:
    named = set(re.findall(r"`([a-z_]+)`", FLAG_FILE.read_text(encoding="utf-8")))
    assert not OPERATORS.keys() - named


def test_the_http_page_has_every_route() -> None:
    page = re.sub(r"\{\w+\}", "{}", (ROOT / "docs/http-api.md").read_text(encoding="utf-8"))
    store = SqliteStore(":memory:")
    paths = create_app(store, Serving(store)).openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert len(routes) > 30
    assert not {route for route in routes if re.sub(r"\{\w+\}", "{}", route) not in page}
    store.close()


def test_the_schema_in_infra_is_current() -> None:
    written = json.loads((ROOT / "infra/flags.schema.json").read_text(encoding="utf-8"))
    assert written == json_schema(), "run `make schema`"


def test_every_kind_of_problem_has_its_section_and_no_other() -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (\S+)$", page, flags=re.MULTILINE)
    raised = {"override-conflict", "invalid-release"}  # what activating a release can be refused for
    package = ROOT / "functions/burgee"
    releases = [package / f"releases/{name}.py" for name in ("guarding", "overrides", "proposals")]
    for path in [
        *package.glob("web/**/*.py"),
        *releases,
        package / "guards/interventions.py",
        *package.glob("access/*.py"),
        *package.glob("webhooks/*.py"),
    ]:
        source = path.read_text(encoding="utf-8")
        raised |= set(re.findall(r'(?:problem|refusal)\([^()"]*"([a-z-]+)"', source))
        raised |= set(re.findall(r'Refused\(\s*"([a-z-]+)"', source))
    framework = {"method-not-allowed", "refused"}
    assert sections == sorted(sections)
    assert set(sections) == raised | framework
