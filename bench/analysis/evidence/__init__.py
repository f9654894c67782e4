"""How strong the evidence behind a number is, and what is doubtful about it."""
