"""A line of ``mpcontinuity doctor``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Verdict = Literal["good", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has found. ``advice`` says what to do; it is empty where all is well."""

    check: str
    verdict: Verdict
    text: str
    advice: str = ""

    def row(self) -> dict[str, str]:
        """Returns the finding as `doctor --json` prints it."""
        return asdict(self)

    def line(self) -> str:
        """Returns the finding as `doctor` prints it."""
        return f"{self.verdict:<8} {self.check}: {self.text}" + (f"; {self.advice}" if self.advice else "")
