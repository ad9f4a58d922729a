"""What a release holds of a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import Corrupt
from burgee.evaluation.snapshots import as_snapshot
from burgee.flagfile.compile import compile_file

if TYPE_CHECKING:
    from pathlib import Path

RULE = {"when": {}, "serve": "on"}


@pytest.mark.parametrize(
    ("flag", "number"),
    [
        ({"status": True}, 1),
        ({"rules": [{**RULE, "name": "r", "salt": "s", "rollout_percentage": 5}]}, 1),
        ({"rules": [{**RULE, "requires": [{"flag": "other", "variant": "on"}]}]}, 2),
        ({"rules": [{**RULE, "end": "2027-01-01"}]}, 2),
        ({"rules": [{**RULE, "bucket_by": "company"}]}, 2),
        ({"rules": [{"when": {}, "ranges": {"on": [0, 50]}}]}, 2),
        ({"default": {"ranges": {"on": [0, 50]}}}, 2),
        ({"schedule": [{"at": "2027-01-01", "set": {"default": {"ranges": {"on": [0, 50]}}}}]}, 2),
    ],
)
def test_a_release_that_older_readers_would_serve_to_others_has_another_format(
    tmp_path: Path, flag: dict[str, Any], number: int
) -> None:
    path = tmp_path / "flags.yaml"
    file = {"version": 1, "flags": {"f": {"default": {"serve": "off"}, **flag}, "other": {}}}
    path.write_text(json.dumps(file), encoding="utf-8")
    snapshot = compile_file(path)
    assert snapshot["format"] == number
    assert as_snapshot(snapshot) is snapshot
    with pytest.raises(Corrupt):
        as_snapshot({**snapshot, "format": 3})
