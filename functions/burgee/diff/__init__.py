"""Computes the exact shares of users whose answers change between two snapshots."""
