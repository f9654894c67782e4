"""What lies in the tables: written once, read and checked in one place."""
