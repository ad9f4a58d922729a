"""The generated Python module, checked by mypy and asked of a live service through the stock provider."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import mypy.api
import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

from burgee.accessors.identifiers import identifiers, pascal, snake
from burgee.accessors.modules import typed_flags
from burgee.accessors.python_module import TAKEN, generate
from support.accessors import LATER, NAMES, VALUES, flag_file, odd_flags
from support.repositories import git
from support.serve import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from support.cli import Burgee

USES = """\
from typing import assert_type, Literal
import flags
assert_type(flags.beta(), bool)
assert_type(flags.checkout_colour(), Literal["#00a", '#0"a0'])
assert_type(flags.retries(), Literal[1, -5])
assert_type(flags.rate(), float)
assert_type(flags.upload_limits()["megabytes"], int)
assert_type(flags.upload_limits().get("formats", []), list[Literal["png", "pdf"]])
assert_type(flags.nameless("y"), Literal["x", "y"])
"""
WRONG = """\
import flags
flags.chekout_colour()
flags.checkout_colour() == "red"
flags.nameless()
flags.nameless("z")
flags.upload_limits()["gigabytes"]
"""


def check(folder: Path, *names: str) -> list[str]:
    """What mypy --strict says of modules in a folder."""
    cache = str(folder.parent / "mypy")  # of all tests of a run
    before = os.environ.get("MYPYPATH")
    os.environ["MYPYPATH"] = str(folder)
    try:
        options = ["--strict", "--config-file=", "--no-error-summary", "--enable-error-code", "deprecated"]
        files = [str(folder / name) for name in names]
        out, err, _ = mypy.api.run([*options, "--cache-dir", cache, *files])
    finally:
        os.environ.pop("MYPYPATH")
        if before is not None:
            os.environ["MYPYPATH"] = before
    assert not err
    return out.splitlines()


@pytest.fixture
def module(burgee: Burgee) -> ModuleType:
    burgee.write(flag_file())
    assert burgee("generate", "python", "--out", "flags.py").code == 0
    return loaded(burgee.folder / "flags.py")


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("generated_flags", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def _provider(burgee: Burgee, module: ModuleType) -> Iterator[None]:
    assert module
    with serving(burgee.folder) as server:
        api.set_provider_and_wait(OFREPProvider(server.url))
        yield
        api.clear_providers()


def test_it_is_strictly_typed_and_what_is_wrong_is_an_error_where_it_stands(
    burgee: Burgee, module: ModuleType
) -> None:
    assert module.__doc__
    (burgee.folder / "uses.py").write_text(USES, encoding="utf-8")
    (burgee.folder / "wrong.py").write_text(WRONG, encoding="utf-8")
    found = check(burgee.folder, "flags.py", "uses.py", "wrong.py")
    assert [line.split(": ")[0].rpartition("/")[2] for line in found if ": error:" in line] == [
        f"wrong.py:{number}" for number in range(2, 7)
    ]
    assert not [line for line in found if "wrong.py" not in line]


@pytest.mark.usefixtures("_provider")
def test_every_variant_of_every_type_arrives_through_the_stock_provider(module: ModuleType) -> None:
    for name, values in VALUES.items():
        ask = getattr(module, snake(name))
        for variant, value in values.items():
            found = ask(EvaluationContext("ada", {"want": variant}))
            assert (type(found), found) == (type(value), value), (name, variant)
        assert ask(EvaluationContext("ada")) == next(iter(values.values()))
    assert module.beta(EvaluationContext("ada", {"want": "on"})) is True
    assert module.beta() is False
    assert module.nameless("y") == "x"


def test_a_flag_that_is_gone_or_has_changed_gives_the_default(burgee: Burgee, module: ModuleType) -> None:
    burgee.write(LATER)
    with serving(burgee.folder) as server:
        api.set_provider_and_wait(OFREPProvider(server.url))
        assert module.retries() == 1, "it is a string now"
        assert module.rate() == 1.0, "it is gone"
        assert module.checkout_colour() == "#00a", "it serves a value of which the module does not know"
        assert module.upload_limits() == {"megabytes": 5}
        assert module.nameless("y") == "y"
        api.clear_providers()


def test_a_client_of_another_domain_is_asked_where_one_is_given(module: ModuleType) -> None:
    class Client:
        def get_integer_value(self, flag: str, default: int, context: Any) -> int:
            assert (flag, default, context) == ("retries", 1, None)
            return -5

    assert module.retries(client=Client()) == -5


def test_the_same_file_gives_the_same_bytes_and_check_says_when_they_differ(
    burgee: Burgee, module: ModuleType
) -> None:
    assert module
    made = (burgee.folder / "flags.py").read_bytes()
    assert burgee("generate", "python").out.encode() == made
    assert burgee("generate", "python", "--out", "flags.py", "--check").code == 0
    burgee.write(flag_file().replace("many: -5", "many: 6").replace('"many": -5', '"many": 6'))
    ran = burgee("generate", "python", "--out", "flags.py", "--check")
    assert (ran.code, ran.out) == (1, "flags.py: would change: run the command without --check\n")
    assert (burgee.folder / "flags.py").read_bytes() == made
    assert burgee("generate", "python", "--check").code == 2


def test_names_that_would_be_one_stay_apart_and_none_is_a_keyword() -> None:
    made = identifiers(["a-b", "a_b", "A.B", "class", "list", "api", "2nd", "newCheckout"], snake, TAKEN)
    assert made["a_b"] == "a_b"
    assert len(set(made.values())) == len(made)
    assert (made["class"], made["list"], made["api"]) == ("class_", "list_", "api_")
    assert (made["2nd"], made["newCheckout"]) == ("flag_2nd", "new_checkout")
    assert all(name.isidentifier() for name in made.values())
    assert identifiers(["b-2", "HTTPServer"], pascal) == {"b-2": "B2", "HTTPServer": "HttpServer"}


def test_what_people_wrote_is_never_code(module: ModuleType) -> None:
    assert '"new" search. */ """ \\ ${end}' in module.beta.__doc__
    names = 'import os;\u2028os.abort()\u202e\x07\n"""\nos.abort()\\'
    definition = {"description": names, "variants": {"a": names, "b": "x"}, "off_variant": "a"}
    text = generate(typed_flags({"f": [definition]})[0], {})
    (function,) = [one for one in ast.parse(text).body if isinstance(one, ast.FunctionDef) and one.name == "f"]
    assert len(function.body) == 2
    assert text.isascii() or "\u202e" not in text
    namespace: dict[str, Any] = {}
    exec(text, namespace)
    assert names in namespace["f"].__code__.co_consts or any(
        names in one for one in namespace["f"].__code__.co_consts if isinstance(one, tuple)
    )


def test_odd_names_texts_values_and_schemas_are_typed_and_give_their_defaults(tmp_path: Path) -> None:
    typed, left_out = typed_flags(odd_flags(1))
    assert left_out == []
    (tmp_path / "odd.py").write_text(generate(typed, dict.fromkeys(NAMES, "2026-01-02")), encoding="utf-8")
    assert [line for line in check(tmp_path, "odd.py") if ": error:" in line] == []
    module = loaded(tmp_path / "odd.py")
    functions = identifiers([flag.name for flag in typed], snake, TAKEN)
    for flag in typed:
        if flag.default is not None:
            assert repr(getattr(module, functions[flag.name])()) == repr(flag.default), flag.name


def test_a_flag_that_no_type_fits_is_left_out_by_name(burgee: Burgee) -> None:
    flag = "{variants: {a: 1}, off_variant: a, default: {serve: a}, environments: {e: {variants: {a: x}}}}"
    burgee.write(f"version: 1\nenvironments: [e]\nflags:\n  mixed: {flag}\n  beta: {{status: on}}\n")
    ran = burgee("generate", "python")
    assert ran.code == 0
    assert "mixed is left out: its variants are of several types: integer, string" in ran.err
    assert "def beta(" in ran.out
    assert "mixed" not in ran.out


def test_a_settled_flag_is_deprecated_and_removing_it_is_a_list_of_errors(
    burgee: Burgee, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = "  old: {status: on, rollout_percentage: 100}\n"
    settled = f"version: 1\nflags:\n{old}  new: {{status: on, rollout_percentage: 5}}\n"
    burgee.write(settled)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-01-02T00:00:00Z")
    for arguments in (["init", "-q"], ["add", "flags.yaml"], ["commit", "-qm", "x"]):
        git(burgee.folder, *arguments)
    assert burgee("generate", "python", "--out", "flags.py").code == 0
    text = (burgee.folder / "flags.py").read_text(encoding="utf-8")
    assert text.count("@deprecated(") == 1
    assert "`old` has given everyone one answer since 2026-01-02: put it into the code and remove the flag" in text
    assert burgee("generate", "python", "--out", "flags.py", "--check", "--days", "30000").code == 0
    (burgee.folder / "uses.py").write_text("import flags\nflags.old()\nflags.new()\nflags.old()\n", encoding="utf-8")
    warned = [line for line in check(burgee.folder, "uses.py", "flags.py") if "[deprecated]" in line]
    assert [line.partition(": ")[0].rpartition("/")[2] for line in warned] == ["uses.py:2", "uses.py:4"]
    burgee.write(settled.replace(old, ""))
    assert burgee("generate", "python", "--out", "flags.py").code == 0
    gone = check(burgee.folder, "uses.py", "flags.py")
    assert [line.partition(": ")[0].rpartition("/")[2] for line in gone] == ["uses.py:2", "uses.py:4"]
    assert loaded(burgee.folder / "flags.py")


def test_a_module_needs_the_sdk_alone_and_is_no_concern_of_formatters() -> None:
    typed, _ = typed_flags(odd_flags(1))
    text = generate(typed, {typed[0].name: "2026-01-02"})
    tree = ast.parse(text)
    for_checkers = [part for one in tree.body if isinstance(one, ast.If) for part in one.body]
    run = [one for one in ast.walk(tree) if isinstance(one, ast.ImportFrom) and one not in for_checkers]
    assert not [one for one in ast.walk(tree) if isinstance(one, ast.Import)]
    names = {str(one.module).partition(".")[0] for one in run}
    assert names == {"__future__", "typing", "openfeature"}
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--stdin-filename", "flags.py", "-"]
    assert subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout == text
