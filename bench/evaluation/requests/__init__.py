"""From what a person asks for to plans."""
