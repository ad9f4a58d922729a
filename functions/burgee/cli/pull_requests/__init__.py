"""Pull requests that keep a flag file in step with what operators said: their branches, hosts and words."""
