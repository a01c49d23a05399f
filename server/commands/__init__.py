"""One module a command of the command line; each has `add(parser)` and `main(arguments) -> exit code`."""
