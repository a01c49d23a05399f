"""How a command of the workshop says no: one sentence on standard error, exit code 2."""

import sys


def refuse(reason: str) -> int:
    """Say why and return the exit code."""
    print(f"backline: {reason}", file=sys.stderr)
    return 2
