"""Where files of crafted images lie: a folder, memory, or what a URL names."""
