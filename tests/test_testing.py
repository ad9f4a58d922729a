"""The pytest plugin, in sample projects that pytest runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from burgee.errors import Refused
from burgee.testing import Flags, _FlagFile

FLAGS = """\
version: 1
environments: [production]
flags:
  checkout:
    status: on
    variants: {blue: "#00a", green: "#0a0", red: "#a00"}
    off_variant: blue
    rules: [{when: {plan: pro}, serve: red}]
    default: {serve: blue}
  beta: {status: off, environments: {production: {status: on}}}
  new-search: {status: on, requires: [{flag: beta, variant: on}]}
"""
HEAD = """\
import asyncio, threading
import pytest
from openfeature import api
from burgee.errors import Refused
from burgee.testing import EVERY, Flags
def colour(): return api.get_client().get_string_value("checkout", "?")
def on(name): return api.get_client().get_boolean_value(name, False)
"""
SAMPLE = """
@pytest.mark.flags(checkout="green")
def test_marked():
    assert colour() == "#0a0"

def test_unmarked(flags):
    assert colour() == "#00a"
    flags.set(checkout="red")
    assert colour() == "#a00"

@pytest.mark.flags({"new-search": True}, beta=False)
def test_true_and_names_with_dashes():
    assert (on("new-search"), on("beta")) == (True, False)

def test_what_is_set_decides_for_flags_that_require_it(flags):
    assert not on("new-search")
    flags.set(beta="on")
    assert on("new-search")

def test_nested(flags):
    with flags(checkout="green"):
        with flags(checkout="red", beta=True):
            assert (colour(), on("beta")) == ("#a00", True)
        assert (colour(), on("beta")) == ("#0a0", False)
    assert colour() == "#00a"

def test_an_exception_ends_a_block(flags):
    with pytest.raises(ValueError), flags(checkout="green"):
        raise ValueError
    assert colour() == "#00a"

@pytest.mark.flags(checkout="green")
def test_threads_see_what_the_test_set(flags):
    found = []
    thread = threading.Thread(target=lambda: found.append(colour()))
    thread.start(), thread.join()
    assert found == ["#0a0"]

@pytest.mark.anyio
@pytest.mark.flags(beta=True)
async def test_tasks_do_not_see_each_other_s(flags):
    async def one(variant, value):
        with flags(checkout=variant):
            for _ in range(3):
                await asyncio.sleep(0)
                assert (colour(), on("beta")) == (value, True)
    await asyncio.gather(one("green", "#0a0"), one("red", "#a00"), one("blue", "#00a"))
    assert colour() == "#00a"

@pytest.fixture
def anyio_backend(): return "asyncio"

SEEN = []

@pytest.mark.flags(checkout=EVERY, beta=EVERY)
def test_every_variant(flags):
    SEEN.append((colour(), on("beta")))

def test_every_variant_was_seen():
    assert SEEN == [(one, two) for one in ("#00a", "#0a0", "#a00") for two in (True, False)]

@pytest.mark.flags(checkout="green")
class TestMarkedClass:
    def test_of_the_class(self):
        assert colour() == "#0a0"

    @pytest.mark.flags(checkout="red")
    def test_the_closest_wins(self):
        assert colour() == "#a00"

@pytest.mark.parametrize("variant", ["blue", "green"])
def test_parametrised_by_hand(flags, variant):
    with flags(checkout=variant):
        assert colour() == {"blue": "#00a", "green": "#0a0"}[variant]

def test_the_ruleset(flags):
    assert flags.ruleset().evaluate("checkout", {"plan": "pro"}).value == "#a00"
    with flags(checkout="green"):
        assert flags.ruleset().evaluate("checkout", {"plan": "pro"}).value == "#0a0"

def test_typed(flags: Flags):
    assert flags.variants("checkout") == ["blue", "green", "red"]

@pytest.mark.parametrize(("name", "variant", "message"), [
    ("chekout", "green", "no flag 'chekout' .did you mean 'checkout'"),
    ("checkout", "gren", "no variant 'gren' .did you mean 'green'"),
    ("checkout", True, "no variant True .it has blue, green, red"),
    ("beta", "yes", "no variant 'yes' .it has on, off"),
])
def test_unknown(flags, name, variant, message):
    with pytest.raises(Refused, match=message):
        flags.set({name: variant})
    with pytest.raises(Refused, match=message), flags({name: variant}):
        pass
"""


PLUGINS = ("burgee.testing", "anyio.pytest_plugin", "xdist", "no:cacheprovider")


def ran(folder: Path, text: str, *arguments: str, config: str = "", flags: str = FLAGS) -> str:
    """What pytest prints of a sample project."""
    (folder / "flags.yaml").write_text(flags, encoding="utf-8")
    (folder / "test_shop.py").write_text(HEAD + text, encoding="utf-8")
    (folder / "pytest.ini").write_text(f"[pytest]\nfilterwarnings = error\n{config}", encoding="utf-8")
    plugins = [word for name in PLUGINS for word in ("-p", name)]
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", *plugins, *arguments]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # the others take seconds to load
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


def test_a_sample_project(tmp_path: Path) -> None:
    out = ran(tmp_path, SAMPLE)
    passed = re.search(r"^(\d+) passed in", out, re.MULTILINE)
    assert passed is not None, out
    assert int(passed[1]) == 25


def test_a_sample_project_in_two_processes(tmp_path: Path) -> None:
    out = ran(tmp_path, SAMPLE.replace("def test_every_variant_was_seen", "def of_one_process"), "-n", "2")
    assert re.search(r"^24 passed in", out, re.MULTILINE), out


def test_nothing_leaks_between_a_thousand_tests_in_random_order(tmp_path: Path) -> None:
    text = """
VALUES = {"blue": "#00a", "green": "#0a0", "red": "#a00"}

@pytest.mark.parametrize("number", range(500))
def test_set(flags, number):
    variant = list(VALUES)[number % 3]
    flags.set(checkout=variant, beta=number % 2 == 0)
    assert (colour(), on("beta"), on("new-search")) == (VALUES[variant], number % 2 == 0, number % 2 == 0)

@pytest.mark.parametrize("number", range(250))
def test_untouched(flags, number):
    assert (colour(), on("beta")) == ("#00a", False)

@pytest.mark.parametrize("number", range(250))
def test_without_the_fixture(number):
    assert (colour(), on("beta")) == ("?", False)
"""
    (tmp_path / "conftest.py").write_text(
        "import random\ndef pytest_collection_modifyitems(items): random.Random(7).shuffle(items)\n", encoding="utf-8"
    )
    out = ran(tmp_path, text)
    assert re.search(r"^1000 passed in", out, re.MULTILINE), out[-2000:]


def test_what_a_test_leaves_behind_reaches_no_other(tmp_path: Path) -> None:
    """The project's own provider comes back as it was, neither shut down nor initialised again."""
    text = """
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

class Own(InMemoryProvider):
    calls = []
    def initialize(self, context): self.calls.append("initialize")
    def shutdown(self): self.calls.append("shutdown")

OWN = Own({"checkout": InMemoryFlag("v", {"v": "own"})})
api.set_provider_and_wait(OWN)

BLOCKS = []

def test_before(): assert colour() == "own"

@pytest.mark.flags(checkout="red")
def test_a_block_that_does_not_end(flags):
    BLOCKS.append(flags(checkout="green"))
    BLOCKS[0].__enter__()
    assert colour() == "#0a0"

def test_between(): assert colour() == "own"

def test_another(flags):
    assert (colour(), api.get_client("shop").get_string_value("checkout", "?")) == ("#00a",) * 2

@pytest.fixture
def broken(flags): raise RuntimeError("setup")

def test_a_setup_that_fails(broken): pass

@pytest.mark.flags(checkout="green")
def test_replaced(): api.set_provider_and_wait(InMemoryProvider({}))

def test_after(): assert (colour(), Own.calls) == ("own", ["initialize"])
"""
    out = ran(tmp_path, text)
    assert re.search(r"^6 passed, 2 errors in", out, re.MULTILINE), out[-2000:]


def test_a_project_s_own_fixture_of_that_name_takes_nothing_from_markers(tmp_path: Path) -> None:
    text = """
import unittest

@pytest.fixture
def flags(): return "own"

@pytest.mark.flags(checkout="green")
def test_marked(flags, burgee_flags):
    assert (flags, colour()) == ("own", "#0a0")
    burgee_flags.set(checkout="red")
    assert colour() == "#a00"

class TestCase(unittest.TestCase):
    @pytest.mark.flags(checkout="green")
    def test_marked(self): assert colour() == "#0a0"

    @pytest.mark.flags(checkout=EVERY)
    def test_every(self): pass
"""
    out = ran(tmp_path, text)
    assert "EVERY needs a test that pytest can repeat" in out
    assert re.search(r"^2 passed, 1 error in", out, re.MULTILINE), out[-2000:]


def test_what_is_wrong_is_an_error_of_its_test_alone(tmp_path: Path) -> None:
    text = """
@pytest.mark.flags(chekout="green")
def test_wrong_flag(): pass

@pytest.mark.flags(checkout="gren")
def test_wrong_variant(): pass

@pytest.mark.flags(checkout="green")
def test_replaced():
    api.set_provider_and_wait(InMemoryProvider({}))

@pytest.mark.flags(checkout="green")
def test_after_it():
    assert colour() == "#0a0"
"""
    out = ran(tmp_path, "from openfeature.provider.in_memory_provider import InMemoryProvider\n" + text)
    assert "2 passed, 3 errors in" in out
    assert "flags.yaml has no flag 'chekout' (did you mean 'checkout'?)" in out
    assert "checkout has no variant 'gren' (did you mean 'green'?)" in out
    assert "replaced by 'In-Memory Provider', which answered instead" in out


def test_what_is_wrong_is_said_without_the_plugin_s_own_code(tmp_path: Path) -> None:
    text = """
@pytest.mark.flags("checkout")
def test_no_mapping(): pass

@pytest.mark.flags(checkout="#0a0")
def test_a_value(): pass

def test_every_by_hand(flags): flags.set(checkout=EVERY)

def test_a_mapping_is_needed(flags): flags.set("checkout")

def test_a_block_without_with(flags):
    flags(checkout="green")

def test_a_block_of_an_unknown_flag_without_with(flags): flags(chekout="green")

@pytest.mark.flags
def test_a_bare_marker(): assert colour() == "#00a"

def test_a_block_by_hand(flags):
    import contextlib
    with contextlib.ExitStack() as stack:
        stack.enter_context(flags(checkout="green"))
        assert colour() == "#0a0"
"""
    out = ran(tmp_path, text)
    assert re.search(r"^3 failed, 3 passed, 3 errors in", out, re.MULTILINE), out[-2000:]
    assert out.count("'checkout' is not a mapping of flags: write flags(checkout=\"green\")") >= 2
    assert "checkout has no variant '#0a0' (that is the value of 'green')" in out
    assert "checkout: EVERY is for the marker, which repeats the test" in out
    assert "flags(...) without `with` set nothing" in out
    assert "flags.yaml has no flag 'chekout' (did you mean 'checkout'?)" in out
    assert "burgee/testing.py" not in out
    assert "another exception" not in out
    every = ran(tmp_path, "@pytest.mark.flags(chekout=EVERY)\ndef test_every(): pass\n\ndef test_another(): pass\n")
    assert re.search(r"^1 passed, 1 error in", every, re.MULTILINE), every[-2000:]
    assert "flags.yaml has no flag 'chekout' (did you mean 'checkout'?)" in every
    assert "burgee/testing.py" not in every


@pytest.mark.parametrize(
    ("config", "said"),
    [("burgee_environment = production\n", "1 passed"), ("burgee_flags = none.yaml\n", "there is no")],
)
def test_the_configuration_names_the_file_and_the_environment(tmp_path: Path, config: str, said: str) -> None:
    assert said in ran(tmp_path, "\ndef test_beta(flags): assert on('beta')\n", config=config)


def test_pytest_loads_nothing_of_burgee_for_other_tests(tmp_path: Path) -> None:
    text = """
def test_nothing():
    import sys
    names = {name for name in sys.modules if name.split(".")[0] in {"burgee", "pydantic", "yaml"}}
    assert names == {"burgee", "burgee.version", "burgee.testing"}
"""
    (tmp_path / "test_shop.py").write_text(text, encoding="utf-8")
    others = ("cacheprovider", "hypothesispytest", "schemathesis", "xdist", "cov")
    command = [sys.executable, "-m", "pytest", "-q", *(word for name in others for word in ("-p", f"no:{name}"))]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in ran.stdout, ran.stdout


def test_the_page_s_example_passes(tmp_path: Path) -> None:
    page = Path(__file__).parents[1] / "docs/testing.md"
    (example,) = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    shop = 'def page(): return "1 €, " + api.get_client().get_string_value("checkout", "?")\n'
    (tmp_path / "shop.py").write_text(f"from openfeature import api\n{shop}", encoding="utf-8")
    (tmp_path / "conftest.py").write_text("", encoding="utf-8")
    out = ran(
        tmp_path, example, config="pythonpath = .\n", flags=FLAGS.replace("#00a", "blue").replace("#0a0", "green")
    )
    assert re.search(r"^5 passed in", out, re.MULTILINE), out


def test_flags_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "flags.yaml").write_text(FLAGS, encoding="utf-8")
    file = _FlagFile(tmp_path / "flags.yaml", "production")
    flags = file.current = Flags(file)
    assert file.provider is not None
    assert file.provider.resolve_boolean_details("new-search", False).value is True
    flags.set({"new-search": False}, checkout="red")
    with flags(beta=False) as inner:
        assert inner.ruleset() is flags.ruleset()
        assert flags.ruleset().evaluate("beta", {}).value is False
    assert flags.ruleset().evaluate("beta", {}).value is True
    assert file.provider.resolve_string_details("checkout", "?").value == "#a00"
    with pytest.raises(Refused, match="no flag 'chekout'"):
        flags.set(chekout="red")
    with pytest.raises(Refused, match="did you mean 'red'"):
        flags.set(checkout="rde")
    with pytest.raises(Refused, match="burgee_flags"):
        _FlagFile(tmp_path / "none.yaml", None).variants("checkout")
