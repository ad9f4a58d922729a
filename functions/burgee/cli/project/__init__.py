"""A team's own repository: the files that Burgee writes into it, upgrades, builds and examines."""
