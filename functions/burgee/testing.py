"""A pytest plugin that sets flags for one test: the fixture `flags` and the marker `flags`.

Pytest loads it wherever Burgee is installed, so it imports nothing of Burgee until a test uses it. What a marker or
`flags.set` sets holds for the whole test, in all of its threads and tasks. `with flags(...)` holds in the block, for
the task or thread that entered it, so that concurrent tasks do not see each other's.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
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

    def set(self, by_name: Mapping[str, Any] | None = None, /, **variants: Any) -> None:
        """Sets variants by flag until the test ends; true and false are the variants of a boolean flag.

        Raises Refused for a flag or variant that the file does not have.
        """
        self._set |= self._file.checked({**(by_name or {}), **variants})

    @contextmanager
    def __call__(self, by_name: Mapping[str, Any] | None = None, /, **variants: Any) -> Iterator[Flags]:
        """Sets variants by flag within a block, as `set` does."""
        token = _inner.set((self, {**self._blocks(), **self._file.checked({**(by_name or {}), **variants})}))
        try:
            yield self
        finally:
            _inner.reset(token)

    def variants(self, flag: str) -> list[str]:
        """The variants of a flag, in the file's order."""
        return self._file.variants(flag)

    def ruleset(self) -> Ruleset:
        """The file's flags with what is set now, for code that evaluates a ruleset itself."""
        return self._file.ruleset({**self._set, **self._blocks()})

    def _blocks(self) -> Mapping[str, str]:
        """What blocks of this test set: one that a test before has not ended holds no longer."""
        owner, variants = _inner.get()
        return variants if owner is self else _EMPTY


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
            message = f"there is no {self.path}: name the flag file by `{FILE}` in pytest's configuration"
            raise pytest.UsageError(message)
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
        from burgee.errors import Refused
        from burgee.flagfile.suggestions import near

        flags: Mapping[str, Definition] = self.snapshot["flags"]
        if flag not in flags:
            hint = near(flag, flags)
            raise Refused("unknown-flag", f"{self.path.name} has no flag {flag!r}{f' ({hint})' if hint else ''}")
        return flags[flag]

    def variants(self, flag: str) -> list[str]:
        from burgee.evaluation.definition import variants

        return list(variants(self.definition(flag)))

    def checked(self, wanted: Mapping[str, Any]) -> dict[str, str]:
        from burgee.errors import Refused
        from burgee.flagfile.suggestions import near

        found = {}
        for flag, value in wanted.items():
            known = self.variants(flag)
            boolean = isinstance(value, bool) and "variants" not in self.definition(flag)
            variant = ("on" if value else "off") if boolean else value
            if variant not in known:
                hint = (near(variant, known) if isinstance(variant, str) else None) or f"it has {', '.join(known)}"
                raise Refused("unknown-variant", f"{flag} has no variant {variant!r} ({hint})")
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


def _serving(definition: Definition, variant: str) -> Definition:
    """A definition that serves one variant to everyone."""
    kept = {
        key: value for key, value in definition.items() if key in {"variants", "off_variant", "client", "metadata"}
    }
    return {**kept, "status": True, "default": {"serve": variant}}


_file = pytest.StashKey[_FlagFile]()


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
    marked = _marked(metafunc.definition)
    every = [flag for flag, value in marked.items() if value is EVERY]
    if every:
        known = metafunc.config.stash[_file]
        chosen = [dict(zip(every, one, strict=True)) for one in product(*(known.variants(flag) for flag in every))]
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
    marked = _marked(request.node)
    if EVERY in marked.values() and not hasattr(request.node, "callspec"):
        message = "EVERY needs a test that pytest can repeat: a function, or a method of a class that is no TestCase"
        raise pytest.UsageError(message)
    every = request.getfixturevalue("burgee_variants") if EVERY in marked.values() else {}
    made = Flags(file)
    made.set({**marked, **every})
    with _answering(file.provider) as answered:
        file.current = made
        try:
            yield made
        finally:
            file.current = None
    if answered.instead is not None:
        pytest.fail(
            "the test set flags, but OpenFeature's provider was replaced by "
            f"{answered.instead!r}, which answered instead"
        )


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
        for by_name in mark.args:
            found |= by_name
        found |= mark.kwargs
    return found
