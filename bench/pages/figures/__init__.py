"""Pictures of a leaderboard: data in, SVG text out; one file a picture."""
