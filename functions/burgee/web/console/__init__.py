"""The console: pages under `/console/`, and the fragments with data that they load with the caller's key."""
