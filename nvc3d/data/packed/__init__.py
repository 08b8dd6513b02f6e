"""Data sets in shards, as `nvc3d.data.shards.pack` writes them: the arrays that each item stores.

`items` reads them, and `kinds` makes of them what a data set of each kind is.
"""
