"""A team's own repository: the files that Burgee writes, upgrades, builds and checks."""
