"""Programs side by side: what they must agree on, what each takes, and how that is written down."""
