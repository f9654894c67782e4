"""Models that others have published, by their names."""
