"""The operations beside the pages."""

from __future__ import annotations

from tests.control.conftest import call, control

__all__ = ["call", "control"]
