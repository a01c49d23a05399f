"""What an export ends with where it cannot be done."""


class ExportError(ValueError):
    """The network breaks its own manifest, or its place is taken; nothing was written."""
