"""A spec becomes a plugin in memory: found, checked, loaded in a seeded scope, and kept."""
