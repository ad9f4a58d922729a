"""`burgee remove`: the proof, the change, the branch, and every refusal, after which nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from burgee.model import Override
from burgee.stores import Change
from burgee.stores.sqlite import SqliteStore
from support.repositories import git

if TYPE_CHECKING:
    from support.cli import Burgee

FLAGS = """\
version: 1
environments: [staging, production]
flags:
  beta: {status: on, rollout_percentage: 5}
  # for the new page
  old: {status: on, owner: web}
  needs: {status: on, requires: [{flag: base, variant: on}]}
  base: {status: on}
  apart: {status: on, variants: {a: 1}, default: {serve: a}, environments: {staging: {variants: {a: 2}}}}
"""
PYTHON = """\
from openfeature import api

def page():
    if api.get_client().get_boolean_value("old", False):
        return "new"
    return "legacy"
"""
TYPESCRIPT = """\
export const page = async (client) => ((await client.getBooleanValue('old', false)) ? 'new' : 'legacy');
"""


USES = """\
import src.flags as known
from src import flags
from src.flags import beta, old

def page(context):
    if flags.old(context):
        return [old(), known.old(client=None), beta()]
    return flags.beta()
"""
USES_WITHOUT = """\
import src.flags as known
from src import flags
from src.flags import beta

def page(context):
    return [True, True, beta()]
"""
USES_TS = """\
import * as flags from './flags.js';
import { beta, old as isOld } from './flags.js';
import { old } from './flags.js';

export async function page(context) {
  if (await flags.old(context)) {
    return [await isOld(), flags.old(), await beta(), await old()];
  }
  return flags.beta();
}
"""
USES_TS_WITHOUT = """\
import * as flags from './flags.js';
import { beta } from './flags.js';

export async function page(context) {
  return [true, Promise.resolve(true), await beta(), true];
}
"""


@pytest.fixture
def repository(burgee: Burgee, monkeypatch: pytest.MonkeyPatch) -> Burgee:
    """A repository whose last commit is long ago."""
    burgee.write(FLAGS)
    burgee.write(PYTHON, "src/page.py")
    burgee.write(TYPESCRIPT, "src/page.ts")
    burgee.write("The flag `old` is for the new page.\n", "README.md")
    burgee.write("*.sqlite*\n.burgee\n", ".gitignore")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-01-02T00:00:00Z")
    git(burgee.folder, "init", "-q", "-b", "main")
    git(burgee.folder, "config", "user.name", "A")
    git(burgee.folder, "config", "user.email", "a@example.com")
    committed(burgee)
    return burgee


def committed(burgee: Burgee) -> None:
    git(burgee.folder, "add", ".")
    git(burgee.folder, "commit", "-qm", "x")


def untouched(burgee: Burgee) -> bool:
    return git(burgee.folder, "status", "--porcelain") == "" and git(burgee.folder, "branch") == "* main"


def test_it_shows_the_change_and_the_proof_and_writes_nothing(repository: Burgee) -> None:
    ran = repository("remove", "old")
    assert ran.code == 0, ran.err
    assert '-    if api.get_client().get_boolean_value("old", False):' in ran.out
    assert "+export const page = async (client) => ('new');" in ran.out
    assert ran.out.endswith(
        "Remove old, which is on for everyone\n\n"
        "- **Git**: on for everyone in staging, production since 2026-01-02; nothing scheduled.\n"
        "- **Prerequisites**: no flag requires it.\n"
        "- **Overrides**: not checked, as no store was named (`--table`).\n"
        "- **Code**: 2 uses in 2 files.\n"
    )
    assert untouched(repository)


def test_a_branch_has_the_code_first_and_the_flag_last(repository: Burgee) -> None:
    ran = repository(
        "remove", "old", "--branch", "remove-old", "--test", "git grep -q legacy -- README.md src ':!src'"
    )
    assert (ran.code, git(repository.folder, "branch", "--show-current")) == (1, "remove-old")
    assert "on the branch remove-old; `git switch --force -` leaves it" in ran.err
    assert git(repository.folder, "log", "--format=%s") == "x", "what fails is not committed"
    git(repository.folder, "checkout", "-q", "-f", "main")
    git(repository.folder, "branch", "-D", "remove-old")
    ran = repository(
        "remove", "old", "--branch", "remove-old", "--test", "cd src && git diff --quiet --exit-code -- ../flags.yaml"
    )
    assert ran.code == 0, ran.err
    assert git(repository.folder, "log", "--format=%s").splitlines() == [
        "Remove old, which is on for everyone",
        "Put the answer of old into the code",
        "x",
    ]
    assert git(repository.folder, "show", "--stat", "--format=", "HEAD~1").count("src/page") == 2
    assert git(repository.folder, "show", "--name-only", "--format=", "HEAD") == "flags.yaml"
    assert "- **Git**: on for everyone" in git(repository.folder, "show", "-s", "--format=%b", "HEAD")
    assert (repository.folder / "src/page.py").read_text(encoding="utf-8").endswith('def page():\n    return "new"\n')
    assert "old:" not in (repository.folder / "flags.yaml").read_text(encoding="utf-8")
    assert repository("lint").code == 0
    assert repository("refs", "src").code == 0


def test_write_leaves_the_flag_in_the_file(repository: Burgee) -> None:
    assert repository("remove", "old", "src", "--write").code == 0
    assert git(repository.folder, "diff", "--name-only").split() == ["src/page.py", "src/page.ts"]
    assert "old" in (repository.folder / "flags.yaml").read_text(encoding="utf-8")
    assert "get_boolean_value" not in (repository.folder / "src/page.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "src/a.py",
            "def f(client, name): return client.get_boolean_value(name, False)\n",
            "src/a.py:1:54: the name is",
        ),
        ("src/a.py", 'ALL = ["old"]\n', "src/a.py:1:8: it names the flag"),
        ("src/a.py", 'def f(:\n    "old"\n', "src/a.py:1:1: the file does not parse"),
        ("src/a.ts", "const on = isOn('old');\n", "src/a.ts:1:17: it names the flag"),
        ("src/a.ts", "if ('old'\n", "src/a.ts:1:1: the file does not parse"),
        ("src/a.ts", "f('old'" + " + (1" * 5000 + ")" * 5001 + ";\n", "src/a.ts:1:1: the file is nested too deeply"),
        ("src/a.java", 'client.getBooleanValue("old", false);\n', "src/a.java:1:25: its language is not rewritten"),
    ],
)
def test_what_cannot_be_rewritten_is_named_and_nothing_is_written(
    repository: Burgee, name: str, text: str, said: str
) -> None:
    repository.write(text, name)
    committed(repository)
    for options in ([], ["--write"], ["--branch", "b"]):
        ran = repository("remove", "old", *options)
        assert (ran.code, ran.out) == (1, "")
        assert said in ran.err
        assert "nothing was written" in ran.err
        assert untouched(repository)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("beta", "beta has not given everyone one answer for 30 days"),
        ("base", "needs requires base"),
        ("apart", "a of apart has another value in another environment"),
        ("odl", "did you mean 'old'"),
    ],
)
def test_a_flag_that_is_not_settled_is_refused(repository: Burgee, flag: str, said: str) -> None:
    ran = repository("remove", flag)
    assert ran.code == 1
    assert said in ran.err


def test_a_flag_that_is_new_is_refused(repository: Burgee, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    repository.write(FLAGS + "  fresh: {status: on}\n")
    committed(repository)
    assert "has not given everyone one answer for 30 days" in repository("remove", "fresh").err


def test_an_override_is_refused_and_its_absence_is_part_of_the_proof(repository: Burgee) -> None:
    state = repository.folder / "state.sqlite"
    store = SqliteStore(str(state))
    assert "- **Overrides**: none (" in repository("remove", "old", "--state", str(state)).out
    laid = Override("old", {"status": False}, "ada", "on fire", "2026-01-03T00:00:00Z", "2026-01-03T00:00:00Z")
    change: Any = Change(lay=[laid])
    store.commit(change, expected=store.pointer().revision)
    store.close()
    ran = repository("remove", "old", "--state", str(state))
    assert (ran.code, "old has an override by ada: clear it first" in ran.err) == (1, True)


def test_a_branch_needs_a_clean_repository(repository: Burgee) -> None:
    repository.write(FLAGS + "# edited\n")
    ran = repository("remove", "old", "--branch", "b", "--days", "0")
    assert (ran.code, "commit them first" in ran.err) == (1, True)
    assert repository("remove", "old", "--branch", "b", "--write").code == 2
    assert repository("remove", "old", "--test", "true").code == 2


def test_calls_of_a_generated_module_go_and_it_is_made_again(repository: Burgee) -> None:
    assert repository("generate", "python", "--out", "src/flags.py").code == 0
    assert repository("generate", "typescript", "--out", "src/flags.ts").code == 0
    repository.write(USES, "src/uses.py")
    repository.write(USES_TS, "src/uses.ts")
    committed(repository)
    before = (repository.folder / "src/flags.py").read_text(encoding="utf-8")
    ran = repository("remove", "old", "--write")
    assert ran.code == 0, ran.err
    assert (repository.folder / "src/flags.py").read_text(encoding="utf-8") == before
    assert "src/flags.py: generate it again; what still calls old is then an error" in ran.err
    made = (repository.folder / "src/uses.py").read_text(encoding="utf-8")
    assert made == USES_WITHOUT
    assert (repository.folder / "src/uses.ts").read_text(encoding="utf-8") == USES_TS_WITHOUT


def test_a_function_has_the_kind_of_the_module_that_is_imported(repository: Burgee) -> None:
    for sdk in ("server", "web", "react"):
        made = repository("generate", "typescript", "--sdk", sdk, "--out", f"src/{sdk}/flags.ts")
        assert made.code == 0
    call = "import {{ {0} }} from '{1}';\nexport const page = () => {0}() === true;\n"
    repository.write(call.format("old", "./flags.js"), "src/server/page.ts")
    repository.write(call.format("old", "../web/flags"), "src/server/view.ts")
    repository.write(call.format("useOld", "../react/flags.js"), "src/web/page.tsx")
    committed(repository)
    assert repository("remove", "old", "--write").code == 0
    after = {file.name: file.read_text() for file in (repository.folder / "src/server").iterdir()}
    assert after["page.ts"] == "export const page = () => Promise.resolve(true) === true;\n"
    assert after["view.ts"] == "export const page = () => true;\n"
    assert (repository.folder / "src/web/page.tsx").read_text() == "export const page = () => true;\n"
    repository.write(call.format("old", "@shop/flags"), "src/elsewhere.ts")
    ran = repository("remove", "old")
    assert ran.code == 1
    assert "src/elsewhere.ts:2:27: generated modules of this name answer differently" in ran.err


def test_a_function_stands_for_the_flag_where_its_name_is_another(repository: Burgee) -> None:
    repository.write(FLAGS + "  new-search: {status: on, owner: web}\n")
    committed(repository)
    assert repository("generate", "python", "--out", "src/flags.py").code == 0
    text = "from src import flags\n\ndef page(user):\n    return flags.new_search(user)\n"
    repository.write(text, "src/search.py")
    committed(repository)
    assert repository("refs", "src").out.count("new-search\n  src/search.py:4:18\n") == 1
    assert "beta: no code names it" in repository("refs", "src").out, "the generated module is not a use"
    repository.write("client.getBooleanValue('beta') // new_search asks for another flag\n", "src/page.kt")
    committed(repository)
    assert repository("remove", "new-search", "--write").code == 0
    assert (repository.folder / "src/search.py").read_text() == text.replace("flags.new_search(user)", "True")


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("src/uses.py", "from flags import old\nCHECKS = [old]\n", "src/uses.py:2:11"),
        ("src/uses.py", "import flags\nCHECKS = [flags.old]\n", "src/uses.py:2:11"),
        ("src/uses.py", "from src.flags import *\nCHECK = old()\n", "src/uses.py:2:9"),
        ("src/__init__.py", "from src.flags import old as new\n", "src/__init__.py:1:23"),
        ("src/uses.ts", "import { old } from './flags.js';\nexport const checks = [old];\n", "src/uses.ts:2:24"),
        ("src/uses.ts", "export { old } from './flags.js';\n", "src/uses.ts:1:10"),
        ("src/uses.cjs", "const flags = require('./flags');\nmodule.exports = flags.old();\n", "src/uses.cjs:2:24"),
        ("src/uses.ts", "const { old } = await import('./flags.js');\n", "src/uses.ts:1:9"),
        ("src/uses.ts", "import * as f from './flags.js';\nexport const checks = [f.old];\n", "src/uses.ts:2:24"),
    ],
)
def test_a_function_of_a_generated_module_that_is_passed_on_is_refused(
    repository: Burgee, name: str, text: str, place: str
) -> None:
    assert repository("generate", "python", "--out", "src/flags.py").code == 0
    assert repository("generate", "typescript", "--out", "src/flags.ts").code == 0
    repository.write(text, name)
    committed(repository)
    ran = repository("remove", "old")
    assert (ran.code, f"{place}: it names the flag in a way" in ran.err) == (1, True)
