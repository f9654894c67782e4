"""One shard's way: crafted, judged, asked again, decided."""
