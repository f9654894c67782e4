"""Where files of crafted images lie: a folder, or what a URL names."""
