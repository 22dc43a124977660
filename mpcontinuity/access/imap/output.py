"""Writing no faster than the client reads: as at every door."""

from mpcontinuity.access.output import Gone, Output

__all__ = ["Gone", "Output"]
