"""The statistics: estimates, tests, sequential bounds and sample sizes."""
