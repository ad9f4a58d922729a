"""Asks two systems about the same contexts, and says where their answers differ."""
