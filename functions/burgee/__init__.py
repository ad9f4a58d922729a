"""Feature flags and A/B tests as reviewed code."""
