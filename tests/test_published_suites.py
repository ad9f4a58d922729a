"""What other engines' published suites want is answered, or differs for a named reason, or cannot be expressed."""

from __future__ import annotations

import pytest

from suites.published import FOLDER, PUBLISHED, Published


@pytest.mark.skipif(FOLDER is None, reason="BURGEE_SUITES names no checkouts")
@pytest.mark.parametrize("suite", PUBLISHED, ids=lambda suite: suite.title)
def test_every_answer_is_theirs_or_differs_for_a_named_reason(suite: Published) -> None:
    assert FOLDER is not None
    outcome = suite.run(FOLDER / suite.repository.partition("/")[2])
    assert outcome.right
    assert [case for case in outcome.wrong if suite.why(case) is None] == []
