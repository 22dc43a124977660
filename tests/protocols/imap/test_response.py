import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.model.flags import DELETED, SEEN
from mpcontinuity.protocols.imap import response
from mpcontinuity.protocols.imap.cursor import Cursor


def test_strings_are_quoted_where_they_can_be() -> None:
    assert response.string(b'a"b\\c') == b'"a\\"b\\\\c"'
    assert response.string(b"") == b'""'
    assert response.string(b"a\r\nb") == b"{4}\r\na\r\nb"
    assert response.string("ü".encode()) == b"{2}\r\n\xc3\xbc"
    assert response.astring(b"From") == b"From"
    assert response.astring(b"a b") == b'"a b"'
    assert response.astring(b"") == b'""'


@given(st.binary(max_size=60))
def test_every_string_is_read_as_it_was_written(value: bytes) -> None:
    written = response.string(value)
    found = re.match(rb"\{[0-9]+\}\r\n", written)
    text, literals = (found.group(), [written[found.end() :]]) if found else (written, [])
    if b"\0" not in value:
        assert Cursor(text, literals).string() == value


@given(
    st.text(min_size=1, max_size=30).filter(
        lambda name: (
            name.isprintable()
            and unicodedata.is_normalized("NFC", name)  # as names in the store are
            and name.partition("/")[0].upper() != "INBOX"
        )
    )
)
def test_every_mailbox_name_is_read_as_it_was_written(name: str) -> None:
    assert Cursor(response.mailbox(name)).mailbox() == name


def test_statuses_are_one_line_of_ascii() -> None:
    assert response.status(b"a", b"NO", "schön\r\n* BYE", b"CANNOT") == b"a NO [CANNOT] sch?n??* BYE\r\n"


def test_flags_have_the_names_of_their_mailbox() -> None:
    keywords = [(1 << 8, "$Work"), (1 << 9, "$Home")]
    assert response.flag_names(SEEN | DELETED | 1 << 9, keywords) == b"\\Seen \\Deleted $Home"
    assert response.flag_names(0, keywords) == b""
