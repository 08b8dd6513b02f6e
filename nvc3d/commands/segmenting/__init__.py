"""What `nvc3d segment` does with a file, by the kind of model: shapes with parts, or scenes."""
