"""Reads the fields of a form as browsers send them: ``application/x-www-form-urlencoded`` in UTF-8."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

MOST_FIELDS: Final = 50  # no form of ours has as many


class BadForm(ValueError):
    """Raised for octets that no form of ours sends."""


def read_form(octets: bytes) -> dict[str, str]:
    """Returns the fields of a form by name; of two with one name the first. Raises BadForm.

    The format is the one of https://url.spec.whatwg.org/#application/x-www-form-urlencoded.
    """
    try:
        pairs = parse_qsl(octets.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:  # other octets, a percent-encoding that is no UTF-8, too many fields
        raise BadForm(str(error)) from None
    return dict(reversed(pairs))
