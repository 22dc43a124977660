"""mpcontinuity: an email continuity server. Start reading at docs/way-of-a-message.md."""

__version__ = "0.1.0"
