"""Two snapshots to the exact shares of users whose answers change."""
