"""The WebSocket API in the template: nothing of it is made unless it is asked for."""

from __future__ import annotations

from support.template import template


def test_nothing_is_made_unless_it_is_asked_for_and_its_price_stands_beside() -> None:
    found = template()
    assert found["Parameters"]["Live"]["Default"] == "false"
    assert "USD a month" in found["Parameters"]["Live"]["Description"]
    made = {name for name, one in found["Resources"].items() if one.get("Condition") == "IsLive"}
    assert made == {name for name in found["Resources"] if name.startswith("Live")}
    assert {found["Resources"][name]["Type"].rpartition("::")[2] for name in made} == {
        "Alarm", "Api", "Function", "Integration", "LogGroup", "Permission", "Route", "Stage",
    }  # fmt: skip
    assert found["Outputs"]["LiveUrl"]["Condition"] == "IsLive"


def test_what_pages_say_calls_no_function() -> None:
    resources = template()["Resources"]
    routes = {
        one["Properties"]["RouteKey"]: one["Properties"]["Target"]
        for name, one in resources.items()
        if name.startswith("Live") and name.endswith("Route")
    }
    assert set(routes) == {"$connect", "$disconnect", "$default"}
    assert "LiveMock" in str(routes["$default"])
    assert resources["LiveMock"]["Properties"]["IntegrationType"] == "MOCK"
