"""What flags hash, in words."""

from __future__ import annotations

from burgee.diff.symbolic import Side
from burgee.review.hash_inputs import hash_inputs
from support.effects import NOW, snapshot


def test_rules_lists_of_attributes_and_segments_have_their_own_inputs() -> None:
    share = {"rollout_percentage": 10, "salt": "61", "hash": "launchdarkly"}
    segments = {
        "outer": {"country": "DE", "segment": ["inner", "plain", "outer"]},
        "inner": {"$share": {**share, "bucket_by": "company"}},
        "plain": {"plan": "pro"},
        "other": {"$share": share},
    }
    flag = {
        "status": True,
        "salt": "s",
        "rules": [
            {"name": "list", "when": {}, "bucket_by": ["team", "targetingKey"], "split": {"on": 1, "off": 1}},
            {"name": "ranges", "when": {"segment": "outer"}, "hash": "unleash", "ranges": {"on": [0, 50]}},
            {"name": "all", "when": {}, "rollout_percentage": 100},
        ],
        "rollout_percentage": 5,
    }
    assert hash_inputs(Side(snapshot({"f": flag}, segments=segments), NOW), "f") == {
        "the default's rollout": "`user:s`",
        'rule "list"\'s split': "`team:s:split` or `user:s:split`",
        'rule "ranges"\'s split': "`s:user` by unleash-arms",
        "segment inner": "`61.company` by launchdarkly",
    }
