"""A plan is cut into shards; an arena executes them; outcomes are stored."""
