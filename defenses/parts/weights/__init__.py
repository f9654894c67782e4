"""Where weights lie, and how they are read without executing what is in them."""
