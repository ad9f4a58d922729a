"""How results are printed: text, Markdown, SARIF."""
