"""How `nvc3d complete` completes a file, a module for each kind of model."""
