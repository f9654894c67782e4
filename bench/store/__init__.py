"""Where outcomes live: schema, migrations and the one class that reads and writes them."""
