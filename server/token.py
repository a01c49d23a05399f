"""The token of a server that other machines reach: where it comes from, and whether what was said is it.

It never stands among a process's arguments, which every user of a machine can read. The server and all that it starts have it in
the environment, as their clients do.
"""

import os
import re
import secrets
import stat
from pathlib import Path

from plugin_bridge.client import TOKEN_VARIABLE
from server.errors import BacklineError

TOKEN_BYTES = 24  # 192 bits: nobody guesses it
_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,200}")  # signs that stand in an address and a cookie as they are


def token_for(file: Path | None, remote: bool) -> tuple[str, bool]:
    """Return the token that a server shall ask for, "" for none, and whether it was made here and nobody has been told.

    Args:
        file: where it stands, or shall stand: it is made where it is not there.
        remote: whether other machines reach the server, which must have one then.

    Raises BacklineError where there is one that is none, or that others can read.
    """
    if file is not None:
        return _from_file(file), False
    if not remote:
        return "", False
    given = os.environ.get(TOKEN_VARIABLE, "")
    return (_checked(given, TOKEN_VARIABLE), False) if given else (secrets.token_urlsafe(TOKEN_BYTES), True)


def keep_in_environment(token: str) -> None:
    """Let every process that this one starts know the token, or that there is none."""
    if token:
        os.environ[TOKEN_VARIABLE] = token
    else:
        os.environ.pop(TOKEN_VARIABLE, None)


def is_token(said: str, token: str) -> bool:
    """Whether what was said is the token; it takes equally long wherever they differ."""
    return secrets.compare_digest(said.encode("utf-8", "replace"), token.encode())


def _from_file(file: Path) -> str:
    try:
        if not file.exists():
            token = secrets.token_urlsafe(TOKEN_BYTES)
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
                new.write(token + "\n")
            return token
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise BacklineError(f"token file {file} can be read by others; chmod 600 {file}")
        with file.open(encoding="utf-8") as there:
            return _checked(there.read(1000).strip(), str(file))
    except UnicodeDecodeError as error:
        raise BacklineError(f"token file {file} is no text") from error
    except OSError as error:
        raise BacklineError(f"cannot read token file {file}: {error.strerror or error}") from error


def _checked(token: str, place: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise BacklineError(
            f"the token in {place} has {len(token)} signs or others than it may; allowed: 16 to 200 of A-Z a-z 0-9 . _ ~ -"
        )
    return token
