"""What a search of the archive finds, all of it and in the order of time: for exports, holds and releases."""

from __future__ import annotations

from array import array

from mpcontinuity.archive.matching import Whose
from mpcontinuity.archive.query import Query
from mpcontinuity.archive.search import MOST, search
from mpcontinuity.children.pool import Died
from mpcontinuity.control.operation import Control
from mpcontinuity.model import identifier
from mpcontinuity.model.errors import Refused, Temporary


async def found(control: Control, query: Query, whose: Whose) -> array[int]:
    """Returns the ids of all messages that the query finds, the oldest first: 8 octets for each.

    Raises Refused while the index is so far behind that a search leaves messages out, and Temporary where it cannot be
    done now.
    """
    ids = array("q")
    after = 0
    while True:
        await control.searches.acquire()
        try:
            page = await search(control.store, control.jobs, query, whose, MOST, after)
        except Died as error:
            raise Temporary(str(error)) from None
        finally:
            control.searches.release()
        if page.unsearched:
            raise Refused(
                f"the archive is still being indexed: {page.unsearched} messages cannot be searched yet; try later",
                "conflict",
            )
        ids.extend(identifier.parse(row.id) for row in page.rows)
        if not page.more:
            ids.reverse()
            return ids
        after = ids[-1]
