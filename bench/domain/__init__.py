"""What the words of this field mean here; knows no plugin, no database, no terminal."""
