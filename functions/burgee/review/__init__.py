"""What a reviewer is warned of: findings, stale flags, references in code."""
