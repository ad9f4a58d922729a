"""A report as text, JSON or an HTML page."""
