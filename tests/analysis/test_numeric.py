"""Roots and t distributions in plain Python, against scipy."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import optimize, special, stats

from burgee.analysis.stats.numeric import (
    binomial,
    chi_square_sf,
    normal_isf,
    normal_sf,
    rising_root,
    root,
    t_isf,
    t_sf,
)
from burgee.analysis.stats.planning import Design, MetricBaseline, sample_size
from support.experiments import crowd, planned, written

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("degrees", [3, 17.776, 38, 1000, 2e6])
def test_t_tails_are_scipys(degrees: float) -> None:
    for t in (-3.0, 0.0, 0.7, 1.96, 5.0, 12.0):
        assert t_sf(t, degrees) == pytest.approx(stats.t.sf(t, degrees), rel=1e-9)
        for centre in (0.5, 2.8, 6.0):
            assert t_sf(t, degrees, centre) == pytest.approx(stats.nct.sf(t, degrees, centre), rel=1e-7, abs=1e-10)
    for chance in (0.4, 0.025, 1e-4):
        assert t_isf(chance, degrees) == pytest.approx(stats.t.isf(chance, degrees), rel=1e-8)
    assert normal_sf(2.5) == pytest.approx(stats.norm.sf(2.5), rel=1e-14)


@pytest.mark.parametrize("degrees", [1, 1.5, 2, 7.3, 199, 201, 1000, 1e4, 2e6, 1e9, math.inf])
def test_t_tails_keep_their_digits_where_they_are_tiny(degrees: float) -> None:
    for t in (0.0, 1e-3, 0.7, 3.0, 8.0, 30.0, 1e6):
        expected = float(special.stdtr(degrees, -t) if math.isfinite(degrees) else special.ndtr(-t))
        assert t_sf(t, degrees) == pytest.approx(expected, rel=1e-12, abs=1e-290)
        assert t_sf(-t, degrees) == pytest.approx(1 - expected, rel=1e-12)
    for chance in (0.4999, 0.3, 0.025, 1e-4, 6e-16, 1e-100):
        expected = -float(special.stdtrit(degrees, chance) if math.isfinite(degrees) else special.ndtri(chance))
        assert t_isf(chance, degrees) == pytest.approx(expected, rel=1e-11)
    assert t_isf(0.0, degrees) == normal_isf(0.0) == math.inf


@pytest.mark.parametrize("degrees", [1, 2, 3, 8, 19, 400])
def test_chi_square_tails_are_scipys(degrees: int) -> None:
    for x in (0.0, 1e-9, 0.3, 1.0, 4.0, 25.0, 400.0, 1300.0):
        assert chi_square_sf(x, degrees) == pytest.approx(special.chdtrc(degrees, x), rel=1e-11)


@pytest.mark.parametrize("n", [1, 20, 333, 10_000, 3_000_000])
def test_binomials_are_scipys(n: int) -> None:
    for share in (0.001, 0.1, 0.5, 0.9, 0.99):
        found, theirs = binomial(n, share), stats.binom(n, share)
        for chance in (1e-6, 0.025, 0.3, 0.45, 0.975, 0.999999):
            count = int(theirs.ppf(chance))
            assert found.quantile(chance) == count
            assert found.cdf(count) == pytest.approx(theirs.cdf(count), rel=1e-10)
        assert found.cdf(n) == pytest.approx(1.0, rel=1e-12)
        assert found.cdf(-1) == 0.0


@pytest.mark.parametrize("power", [1, 2, 5])
def test_roots_are_found(power: int) -> None:
    assert root(lambda x: x**power - 0.3, 0.0, 4.0) == pytest.approx(0.3 ** (1 / power), rel=1e-9)
    assert rising_root(lambda x: x**power - 5000.0, 0.1, 1.0) == pytest.approx(5000 ** (1 / power), rel=1e-9)
    with pytest.raises(ValueError, match="no change of sign"):
        root(lambda x: x**2 + 1, -1.0, 1.0)


def test_a_hundred_planned_sizes_are_those_that_scipy_finds() -> None:
    generator = np.random.default_rng(11)
    for _ in range(100):
        alpha, power = float(generator.choice([0.01, 0.025, 0.05, 0.1])), float(generator.choice([0.8, 0.9, 0.95]))
        share = generator.uniform(0.1, 0.9)
        design = Design(alpha, power, control=share, treatment=1 - share)
        mean, sd, effect = generator.uniform(1, 50), generator.uniform(1, 100), generator.uniform(0.5, 5)

        def gap(n: float, a: float = alpha, p: float = power, s: float = share, d: float = effect / sd) -> float:
            degrees, centre = n - 2, d * math.sqrt(n * s * (1 - s))
            return float(stats.nct.sf(stats.t.isf(a / 2, degrees), degrees, centre) - p)

        theirs = math.ceil(optimize.brentq(gap, 6, 1e7, xtol=1e-9))
        assert sample_size(MetricBaseline(mean, sd), effect, design) == theirs


def test_planning_a_fixed_design_loads_no_library() -> None:
    code = (
        "import burgee.cli.experiment_warnings, sys; from burgee.analysis.stats.planning import *; "
        "sample_size(MetricBaseline(20, 35), 1.5, Design()); print({'numpy', 'scipy'} & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


def test_a_report_of_json_lines_loads_neither_numpy_nor_scipy_nor_pyarrow(tmp_path: Path) -> None:
    planned(tmp_path)
    written(tmp_path / "events", crowd(200))
    command = ["experiment", "report", "button", "--flags", str(tmp_path / "flags.yaml")]
    command += ["--events", str(tmp_path / "events"), "--at", "2026-02-01T00:00:00Z"]
    code = (
        f"import sys; sys.argv = ['burgee', *{command!r}]; from burgee.cli import main\n"
        "try: main()\n"
        "finally: print({'numpy', 'scipy', 'pyarrow', 'pandas', 'duckdb'} & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "button" in ran.stdout
    assert ran.stdout.endswith("{'duckdb'}\n")
