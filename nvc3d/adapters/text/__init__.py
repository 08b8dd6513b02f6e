"""Text: sentences as pieces of words, what encodes them, and the tasks that stand on that."""
