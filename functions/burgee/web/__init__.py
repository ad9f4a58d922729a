"""The service over HTTP; evaluation stands alone, so that its function loads nothing of the rest."""
