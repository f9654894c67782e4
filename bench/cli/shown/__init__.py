"""How things look in a terminal, and as JSON."""
