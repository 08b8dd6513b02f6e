"""What peers compile: the functions that their own Python calls, so that copies of it run as well.

Their Python has the gradients, so these have none.
"""
