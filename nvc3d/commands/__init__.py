"""The commands of the shell, each with `main(arguments) -> exit code`, and what they share."""
