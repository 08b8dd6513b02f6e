"""Adapters: tasks whose items are no points, thin ones; nobody who works with points imports them.

Each has a folder, and its tasks are in `ADAPTED` of `nvc3d.tasks`.
"""
