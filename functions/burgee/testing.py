"""A pytest plugin that sets flags for one test: the fixture `flags` and the marker `flags`.

Pytest loads it wherever Burgee is installed, so it imports nothing of Burgee until a test uses it. What a marker or
`flags.set` sets holds for the whole test, in all of its threads and tasks. `with flags(...)` holds in the block, for
the task or thread that entered it, so that concurrent tasks do not see each other's.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from contextvars import Token
    from pathlib import Path

    from burgee.evaluation.ruleset import Ruleset
    from burgee.model import Definition, Snapshot
    from burgee.openfeature import BurgeeProvider

__all__ = ["EVERY", "Flags"]

FILE, ENVIRONMENT = "burgee_flags", "burgee_environment"
MARKER = "flags"
DOMAIN = "burgee.testing"
MAX_RULESETS = 256
"""Combinations of settings that are kept compiled."""


class _Every:
    def __repr__(self) -> str:
        return "EVERY"


EVERY: Final = _Every()
"""In place of a variant in `@pytest.mark.flags`: the test runs once for each variant."""

_EMPTY: Mapping[str, str] = {}
_inner: ContextVar[tuple[Flags | None, Mapping[str, str]]] = ContextVar("burgee.testing", default=(None, _EMPTY))
"""What the blocks around set, and the flags of which test."""


class Flags:
    """The flags of a test. All that are not set answer as the file says."""

    def __init__(self, file: _FlagFile) -> None:
        self._file = file
        self._set: dict[str, str] = {}
        self.blocks: list[_Block] = []

    def set(self, by_name: Mapping[str, Any] | None = None, /, **variants: Any) -> None:
        """Sets variants by flag until the test ends; true and false are the variants of a boolean flag.

        Raises Refused for a flag or variant that the file does not have.
        """
        __tracebackhide__ = True
        self._set |= self._file.checked(_wanted(by_name, variants))

    def __call__(self, by_name: Mapping[str, Any] | None = None, /, **variants: Any) -> AbstractContextManager[Flags]:
        """Sets variants by flag within a block, as `set` does. A test that makes a block without `with` fails."""
        __tracebackhide__ = True
        made = _Block(self, self._file.checked(_wanted(by_name, variants)))
        self.blocks.append(made)
        return made

    def variants(self, flag: str) -> list[str]:
        """The variants of a flag, in the file's order."""
        return self._file.variants(flag)

    def ruleset(self) -> Ruleset:
        """The file's flags with what is set now, for code that evaluates a ruleset itself."""
        return self._file.ruleset({**self._set, **_set_around(self)})


def _set_around(flags: Flags) -> Mapping[str, str]:
    """What blocks of a test set: one that a test before has not ended holds no longer."""
    owner, variants = _inner.get()
    return variants if owner is flags else _EMPTY


class _Block:
    """`with flags(...)`: what it sets holds until it ends."""

    def __init__(self, flags: Flags, variants: Mapping[str, str]) -> None:
        self._flags = flags
        self.variants = variants
        self._tokens: list[Token[tuple[Flags | None, Mapping[str, str]]]] = []
        self.entered = False

    def __enter__(self) -> Flags:
        self.entered = True
        self._tokens.append(_inner.set((self._flags, {**_set_around(self._flags), **self.variants})))
        return self._flags

    def __exit__(self, *_: object) -> None:
        _inner.reset(self._tokens.pop())


def _wanted(by_name: object, variants: Mapping[str, Any]) -> dict[str, Any]:
    """The variants of flags, given by a mapping and by keywords. Raises Refused for something else than a mapping."""
    __tracebackhide__ = True
    if by_name is not None and not isinstance(by_name, Mapping):
        from burgee.errors import Refused

        message = (
            f'{by_name!r} is not a mapping of flags: write {MARKER}(checkout="green"), or {{"new-search": True}}'
        )
        raise Refused("invalid-flags", message)
    return {**(by_name or {}), **variants}


class _FlagFile:
    """The project's flag file, read when a test first needs it."""

    def __init__(self, path: Path, environment: str | None) -> None:
        self.path = path
        self._environment = environment
        self._rulesets: dict[tuple[tuple[str, str], ...], Ruleset] = {}
        self.current: Flags | None = None

    @cached_property
    def snapshot(self) -> Snapshot:
        from burgee.flagfile.compile import compile_file

        if not self.path.is_file():
            from burgee.errors import Refused

            message = f"there is no {self.path}: name the flag file by `{FILE}` in pytest's configuration"
            raise Refused("no-flag-file", message)
        return compile_file(self.path, self._environment)

    @cached_property
    def provider(self) -> BurgeeProvider | None:
        """OpenFeature's provider of the current test; None if its SDK is not installed."""
        try:
            from burgee.openfeature import BurgeeProvider
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] != "openfeature":
                raise
            return None
        from openfeature.provider import Metadata

        from burgee.serving.serving import Serving

        of_file = self

        class TestProvider(BurgeeProvider):
            """Answers with what the current test set."""

            def initialize(self, evaluation_context: Any) -> None:
                """Nothing to do: the file does not change."""

            def get_metadata(self) -> Metadata:
                return Metadata(name="burgee.testing")

            def _ruleset(self, context: Any, now: float) -> Ruleset:
                del context, now
                return of_file.ruleset(_EMPTY) if of_file.current is None else of_file.current.ruleset()

        return TestProvider(Serving(bundled=self.snapshot))

    def definition(self, flag: str) -> Definition:
        __tracebackhide__ = True
        from burgee.errors import Refused
        from burgee.flagfile.suggestions import near

        flags: Mapping[str, Definition] = self.snapshot["flags"]
        if flag not in flags:
            hint = near(flag, flags)
            raise Refused("unknown-flag", f"{self.path.name} has no flag {flag!r}{f' ({hint})' if hint else ''}")
        return flags[flag]

    def variants(self, flag: str) -> list[str]:
        return list(self._values(flag))

    def _values(self, flag: str) -> Mapping[str, Any]:
        """The values of a flag, by variant."""
        __tracebackhide__ = True
        from burgee.evaluation.definition import variants

        return variants(self.definition(flag))

    def checked(self, wanted: Mapping[str, Any]) -> dict[str, str]:
        __tracebackhide__ = True
        from burgee.errors import Refused

        found = {}
        for flag, value in wanted.items():
            known = self._values(flag)
            boolean = isinstance(value, bool) and "variants" not in self.definition(flag)
            variant = ("on" if value else "off") if boolean else value
            if variant is EVERY:
                raise Refused("unknown-variant", f"{flag}: EVERY is for the marker, which repeats the test")
            if not isinstance(variant, str) or variant not in known:
                raise Refused("unknown-variant", f"{flag} has no variant {variant!r} ({_hint(variant, known)})")
            found[flag] = variant
        return found

    def ruleset(self, values: Mapping[str, str]) -> Ruleset:
        from burgee.evaluation.ruleset import Ruleset
        from burgee.model import Override

        key = tuple(sorted(values.items()))
        made = self._rulesets.get(key)
        if made is None:
            overrides = [
                Override(flag, _serving(self.definition(flag), variant), MARKER, MARKER, "", "")
                for flag, variant in key
            ]
            if len(self._rulesets) >= MAX_RULESETS:
                self._rulesets.clear()
            made = self._rulesets[key] = Ruleset(self.snapshot, overrides)
        return made


def _hint(wanted: object, known: Mapping[str, Any]) -> str:
    """The variant that may be meant: one that is spelled nearly so, or has that value."""
    from burgee.flagfile.suggestions import near

    spelled = near(wanted, known) if isinstance(wanted, str) else None
    meant = (name for name, value in known.items() if type(value) is type(wanted) and value == wanted)
    of_value = next((f"that is the value of {name!r}" for name in meant), None)
    return spelled or of_value or f"it has {', '.join(known)}"


def _serving(definition: Definition, variant: str) -> Definition:
    """A definition that serves one variant to everyone."""
    kept = {
        key: value for key, value in definition.items() if key in {"variants", "off_variant", "client", "metadata"}
    }
    return {**kept, "status": True, "default": {"serve": variant}}


_file: Final[pytest.StashKey[_FlagFile]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the settings."""
    parser.addini(
        FILE, "The flag file of tests, relative to pytest's root; default flags.yaml.", default="flags.yaml"
    )
    parser.addini(ENVIRONMENT, "The environment of the flag file to apply in tests; default none.", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Adds the marker."""
    config.addinivalue_line(
        "markers", "flags(checkout='green'): sets variants of flags for a test; EVERY for each of a flag's"
    )
    config.stash[_file] = _FlagFile(config.rootpath / config.getini(FILE), config.getini(ENVIRONMENT) or None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeats a test for each variant of the flags that are marked with EVERY."""
    if metafunc.definition.get_closest_marker(MARKER) is None:
        return
    from burgee.errors import BurgeeError

    known = metafunc.config.stash[_file]
    try:
        every = {flag: known.variants(flag) for flag, value in _marked(metafunc.definition).items() if value is EVERY}
    except BurgeeError:
        return  # the fixture says it, in that test alone
    if every:
        chosen = [dict(zip(every, one, strict=True)) for one in product(*every.values())]
        metafunc.fixturenames.append("burgee_variants")
        ids = ["-".join(f"{flag}={variant}" for flag, variant in one.items()) for one in chosen]
        metafunc.parametrize("burgee_variants", chosen, ids=ids, indirect=True)


@pytest.fixture
def burgee_variants(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """The variants of flags that are marked with EVERY, in this run of the test."""
    chosen: Mapping[str, str] = request.param
    return chosen


@pytest.fixture(autouse=True)
def _burgee_flags(request: pytest.FixtureRequest) -> None:
    """Sets what the markers of a test say, before its other fixtures, also where a project has a fixture `flags`."""
    if request.node.get_closest_marker(MARKER) is not None:
        request.getfixturevalue("burgee_flags")


@pytest.fixture
def flags(burgee_flags: Flags) -> Flags:
    """Sets flags for one test: `flags.set(checkout="green")`, or `with flags(checkout="green"):`.

    It answers as OpenFeature's default provider. If another provider has taken its place when the test ends, the test
    fails: its flags were not used.
    """
    return burgee_flags


@pytest.fixture
def burgee_flags(request: pytest.FixtureRequest) -> Iterator[Flags]:
    """What the fixture `flags` gives, for projects that have one of their own."""
    file = request.config.stash[_file]
    made = Flags(file)
    with _short_failures():
        marked = _marked(request.node)
        every = [flag for flag, value in marked.items() if value is EVERY and file.variants(flag)]
        if every and not hasattr(request.node, "callspec"):
            pytest.fail(
                "EVERY needs a test that pytest can repeat: a function, or a method of a class other than TestCase",
                pytrace=False,
            )
        made.set({**marked, **(request.getfixturevalue("burgee_variants") if every else {})})
        provider = file.provider
    with _answering(provider) as answered:
        file.current = made
        try:
            yield made
        finally:
            file.current = None
    for block in made.blocks:
        if not block.entered:
            names = ", ".join(block.variants)
            pytest.fail(
                f"flags(...) without `with` set nothing: use flags.set(...) or a block for {names}", pytrace=False
            )
    if answered.instead is not None:
        pytest.fail(
            "the test set flags, but OpenFeature's provider was replaced by "
            f"{answered.instead!r}, which answered instead",
            pytrace=False,
        )


@contextmanager
def _short_failures() -> Iterator[None]:
    """What is wrong with the markers or the file fails the test with that alone, without the plugin's own code."""
    from burgee.errors import BurgeeError

    try:
        yield
    except BurgeeError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


class _Answered:
    """The name of the provider that took the place of the plugin's, if one did."""

    instead: str | None = None


@contextmanager
def _answering(provider: BurgeeProvider | None) -> Iterator[_Answered]:
    """Makes a provider OpenFeature's default one, and gives the place back to the one before."""
    answered = _Answered()
    if provider is None:
        yield answered
        return
    from openfeature import api

    before = api.get_client().provider
    # The SDK shuts down a provider that it does not use any more, so it goes on using it under another name.
    api.set_provider(before, DOMAIN)
    api.set_provider_and_wait(provider)
    try:
        yield answered
    finally:
        there = api.get_client().provider
        answered.instead = None if there is provider else there.get_metadata().name
        api.set_provider(before)
        api.set_provider(provider, DOMAIN)


def _marked(node: pytest.Item | pytest.Collector) -> dict[str, Any]:
    """What the markers of a test say; the closest one wins."""
    found: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers(MARKER))):
        for by_name in mark.args or [None]:
            found |= _wanted(by_name, mark.kwargs)
    return found
