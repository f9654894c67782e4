"""One queue over all plans of a call, and who works at it."""
