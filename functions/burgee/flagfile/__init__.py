"""flags.yaml to a snapshot and back: read, check, compile, format, edit."""
