"""The service over HTTP. `evaluation` stands alone, so that its Lambda need not load the rest."""
