"""What a file of TypeScript asks about a flag: found where it is known, and refused in its place where it is not."""

from __future__ import annotations

import pytest

from burgee.accessors.flag_types import FlagType
from burgee.removal.rewriting import Accessor, Answer
from burgee.removal.typescript_code import rewrite
from support.typescript_shapes import REFUSED

OLD = Answer("old", FlagType.BOOLEAN, "on", True)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_rewritten_is_refused_at_its_place(name: str) -> None:
    code, place = REFUSED[name]
    (refusal,) = rewrite(code, OLD, jsx=False).refusals
    assert refusal[:2] == place, refusal
    assert refusal.why


@pytest.mark.parametrize(
    "code",
    [
        "import * as flags from './flags';\nconst f = (flags) => flags.old();\n",
        "import { old } from './flags';\nconst f = (old) => old();\n",
        "import { old } from './flags';\nconst f = ({ it: old }) => old();\n",
    ],
)
def test_a_name_that_something_else_has_too_is_no_function_of_the_flag(code: str) -> None:
    made = rewrite(code, OLD, [Accessor("old", "flags")], jsx=False)
    assert made.uses == 0
    assert {refusal.line for refusal in made.refusals} == {2}


def test_a_hook_of_the_sdk_that_nothing_uses_any_more_is_not_imported() -> None:
    both = "import { useBooleanFlagValue, useStringFlagValue } from '@openfeature/react-sdk';\n"
    code = f"{both}const f = () => useBooleanFlagValue('old', false);\nconst g = () => useStringFlagValue('x', '');\n"
    made = rewrite(code, OLD, jsx=True)
    assert made.text.startswith(
        "import { useStringFlagValue } from '@openfeature/react-sdk';\nconst f = () => true;\n"
    )
    alone = "import { useBooleanFlagValue } from '@openfeature/react-sdk';\n"
    made = rewrite(f"{alone}const f = () => useBooleanFlagValue('old', false);\n", OLD, jsx=True)
    assert made.text == "const f = () => true;\n"
    code = f"{alone}const f = () => useBooleanFlagValue('old', false) && useBooleanFlagValue('x', false);\n"
    assert rewrite(code, OLD, jsx=True).text.startswith(alone)


def test_a_hook_answers_at_once_beside_the_sdk_for_servers() -> None:
    sdks = (
        "import { OpenFeature } from '@openfeature/server-sdk';\nimport { useFlag } from '@openfeature/react-sdk';\n"
    )
    made = rewrite(f"{sdks}const f = () => useFlag('old', false).value;\n", OLD, jsx=True)
    assert made.text.endswith("const f = () => true;\n")
