"""A study's figures beside its paper's, and what outcomes say of its claims."""
