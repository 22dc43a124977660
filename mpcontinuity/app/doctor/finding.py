"""A line of ``mpcontinuity doctor``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Verdict = Literal["good", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``advice`` says what to do; empty where all is well."""

    check: str
    verdict: Verdict
    text: str
    advice: str = ""

    def row(self) -> dict[str, str]:
        return asdict(self)

    def line(self) -> str:
        return f"{self.verdict:<8} {self.check}: {self.text}" + (f"; {self.advice}" if self.advice else "")
