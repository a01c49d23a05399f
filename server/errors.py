"""What can go wrong at the border, as one exception with one sentence.

The sentence names what happened, which value, and what is allowed. The command line prints it and ends with
code 2; the OSC server sends it in `/fail`.
"""


class BacklineError(Exception):
    """A problem that a user can mend; its text is for them."""
