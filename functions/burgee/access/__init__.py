"""API keys and the settings of a project."""
