"""How `nvc3d pose` reads what a depth camera saw, finds the hands in it, and follows one."""
