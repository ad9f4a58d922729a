"""A definition and a context to an answer; pure: no I/O and no clock."""
