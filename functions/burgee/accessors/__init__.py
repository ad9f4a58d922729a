"""Typed access to flags from code: OpenFeature's manifest, and generated Python and TypeScript modules."""
