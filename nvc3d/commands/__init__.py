"""The commands of the shell, one file each, with `main(arguments) -> exit code` in it."""
