"""A study carried out: its weights made, its cells asked for, and what both would take."""
