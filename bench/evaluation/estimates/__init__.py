"""What a call would take, before it is begun."""
