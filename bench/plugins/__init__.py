"""Names become plugins, and plugins content: their code, the files they read, and what only says where these lie."""
