"""An MCP server: what agents may ask of flags, and the proposals and kills that they may make."""
