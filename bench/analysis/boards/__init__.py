"""From results to rows, ranks and leaderboards."""
