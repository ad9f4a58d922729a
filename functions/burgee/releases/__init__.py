"""Plan, deploy, override, roll back."""
