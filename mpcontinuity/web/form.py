"""Reads the fields of a form or a query as browsers send them: ``application/x-www-form-urlencoded`` in UTF-8."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from mpcontinuity.web.asked import Fields

MOST_FIELDS: Final = 500  # a list of check boxes, one for each row of a page


class BadForm(ValueError):
    """Raised for octets that no form of ours sends."""


def read_form(octets: bytes) -> Fields:
    """Returns the fields of a form. Raises BadForm.

    The format is the one of https://url.spec.whatwg.org/#application/x-www-form-urlencoded.
    """
    try:
        pairs = parse_qsl(octets.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:  # other octets, a percent-encoding that is no UTF-8, too many fields
        raise BadForm(str(error)) from None
    return Fields(pairs)
