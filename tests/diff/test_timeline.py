"""What a flag will do by itself."""

from __future__ import annotations

from burgee.diff.timeline import timeline
from burgee.times import parse_time
from support.effects import snapshot


def test_a_timeline_has_jumps_and_what_ramps_move_between() -> None:
    ramp = {"from": 50, "to": 100, "start": "2027-03-02", "end": "2027-03-03"}
    schedule = [
        {"at": "2027-02-01", "set": {"rollout_percentage": 50}},
        {"at": "2027-03-01", "set": {"rollout_percentage": ramp}},
    ]
    flag = {"status": True, "rollout_percentage": 5, "schedule": schedule}
    assert [str(entry) for entry in timeline(snapshot({"f": flag}), "f", parse_time("2027-01-01"))] == [
        "2027-02-01T00:00:00Z: all users: 45 % off -> on",
        "2027-03-02T00:00:00Z to 2027-03-03T00:00:00Z, little by little: all users: 50 % off -> on",
    ]
