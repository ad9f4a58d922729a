"""Other engines' files to flags.yaml."""
