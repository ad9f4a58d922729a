"""Pull requests that bring operators' overrides and proposals into the flag file: branches, hosts and wording."""
