"""Exposures and tracked events, and the sinks that they are written to."""
