"""What of a plugin is content: its code, the files it reads, and which settings only say where these lie."""
