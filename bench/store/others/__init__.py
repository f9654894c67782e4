"""Other people's stores, lent or merged into one's own."""
