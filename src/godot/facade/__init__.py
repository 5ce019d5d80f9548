"""The facade: Godot as agents and other MCP clients see it."""
