"""Formats results as text, Markdown and SARIF."""
