"""`burgee power`, as a user sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.experiments import FILE

if TYPE_CHECKING:
    from support.cli import Burgee


def test_power_from_numbers_and_from_a_plan(burgee: Burgee) -> None:
    """`power.prop.test(p1=.1, p2=.12, power=.8)` in R says n = 3840.85 in each group."""
    burgee.write(FILE)
    assert burgee("power", "--baseline", "0.1", "--effect", "20", "--per-day", "1000").out == (
        "7,682 units in all arms find 20 % with power 80%\nat 1,000 new units a day: 7.7 days\n"
    )
    reported = burgee("power", "button", "--json").json
    assert reported["units"] == 4000
    assert reported["sample_size"] < 4000
    assert reported["detectable"] < 20
    sequential = burgee("power", "--baseline", "20", "--sd", "35", "--effect", "5", "--method", "group-sequential")
    assert "early looks need 2.5% more units" in sequential.out


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        ((), "--baseline"),
        (("--baseline", "0.1"), "--effect, --units or both"),
        (("--baseline", "5", "--effect", "1"), "a mean needs its standard deviation"),
        (("--baseline", "0.1", "--effect", "5", "--split", "50"), "give two or more weights"),
        (("--baseline", "0.9", "--effect", "20"), "is 1.08, which is not a proportion"),
        (("--baseline", "0.5", "--effect", "-100"), "is 0, which is not a proportion"),
        (("--baseline", "0.1", "--effect", "0"), "is not an effect to look for"),
        (("--baseline", "5", "--sd", "0", "--effect", "1"), "a standard deviation is above zero"),
        (("--baseline", "0", "--sd", "2", "--effect", "1"), "a baseline that is not 0"),
        (("--baseline", "0.1", "--effect", "nan"), "is not an effect to look for"),
        (("--baseline", "nan", "--effect", "5"), "a proportion is between 0 and 1, not nan"),
        (("--baseline", "inf", "--sd", "2", "--effect", "5"), "a mean is a finite number"),
        (("--baseline", "5", "--sd", "inf", "--effect", "5"), "above zero and finite"),
        (("--baseline", "5", "--sd", "1", "--effect", "1e-12"), "is enough"),
        (("--baseline", "0.1", "--effect", "5", "--split", "nan,50"), "all above zero"),
        (("--baseline", "0.1", "--effect", "5", "--split", "1e999,1"), "at most a million"),
        (("--baseline", "0.1", "--effect", "5", "--split", "1e-300,1"), "treatment is between 0 and 1"),
        (("--baseline", "0.1", "--effect", "5", "--per-day", "inf"), "new units a day must be above zero"),
        (("--baseline", "0.1", "--effect", "5", "--alpha", "nan"), "--alpha"),
        (("button", "--flags", "nowhere.yaml"), "there is no file nowhere.yaml"),
        (("--baseline", "0.1", "--effect", "5", "--split", "a,b"), "is not weights"),
        (("button", "--at-once"), "--at-once: is not for a flag"),
        (("button", "--alpha", "0.05"), "--alpha: is not for a flag"),
        (("button", "--power", "0.9"), "--power: is not for a flag"),
        (("button", "--effect", "5"), "--effect: is not for a flag"),
        (("button", "--recorded", "--baseline", "0.1"), "--baseline: is not for a flag"),
        (("button", "--recorded", "--per-day", "10"), "--per-day: is not for --recorded"),
        (("button", "--entry", "visit"), "--entry: needs --recorded"),
        (("--baseline", "0.1", "--effect", "5", "--events", "x"), "--events: needs --recorded"),
    ],
)
def test_numbers_that_do_not_fit_are_reported(burgee: Burgee, arguments: tuple[str, ...], reported: str) -> None:
    burgee.write(FILE)
    ran = burgee("power", *arguments)
    assert ran.code == 2
    assert reported in " ".join(ran.err.replace("│", " ").split())


def test_power_needs_no_flag_file_and_arms_share_alpha(burgee: Burgee) -> None:
    """R's `power.prop.test(p1=.1, p2=.12, power=.8, sig.level=.025)` says n = 4651.4 in each group."""
    reported = burgee("power", "--baseline", "0.1", "--effect", "20", "--split", "1,1,1", "--json").json
    assert reported["alpha"] == 0.025
    two_of_three = reported["sample_size"] * 2 / 3
    assert two_of_three / 2 == pytest.approx(4651.4, abs=1)


@pytest.mark.parametrize("method", ["fixed", "group-sequential", "always-valid"])
def test_effects_that_any_or_no_number_of_units_finds(burgee: Burgee, method: str) -> None:
    """The least is four units; no effect is none, not infinity, which JSON does not have."""
    huge = ("--baseline", "100", "--sd", "1", "--effect", "300", "--method", method)
    assert burgee("power", *huge).out.startswith("4 units in all arms find 300 % with power 80%")
    least = ("--baseline", "0.3", "--units", "4", "--method", method)
    assert burgee("power", *least).out.startswith("4 units find nothing with power 80%")
    assert burgee("power", *least, "--json").json["detectable"] is None
    vast = burgee("power", "--baseline", "5", "--sd", "1e300", "--effect", "20", "--method", method)
    assert "nothing up to 1e+15 units is enough" in " ".join(vast.err.replace("│", " ").split())
    assert vast.code == 2
    for sd, said in (("1", None), ("1e300", "no number is enough")):
        text = FILE.replace("mean: 0.3", f"mean: 0.3, sd: {sd}").replace("start:", f"method: {method}\n      start:")
        text = text.replace("primary: bought", "primary: revenue").replace("[revenue, basket]", "[basket]")
        text = text.replace("minimum_detectable_effect: 20", "minimum_detectable_effect: 3000")
        text = text.replace("slow: {margin", "bought: {margin")
        burgee.write(text)
        ran = burgee("lint")
        assert "Traceback" not in ran.err + ran.out
        assert (said or "no problems") in ran.out + ran.err


def test_powers_near_one_are_not_rounded_to_it(burgee: Burgee) -> None:
    assert "with power 99.9%" in burgee("power", "--baseline", "0.1", "--effect", "20", "--power", "0.999").out
