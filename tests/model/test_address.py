import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.model.address import BadAddress, parse, quote


@pytest.mark.parametrize(
    ("text", "key", "untagged"),
    [
        ("Anna@Example.ORG", "anna@example.org", "anna@example.org"),
        ("anna+lists@example.org", "anna+lists@example.org", "anna@example.org"),
        ('"anna"@example.org', "anna@example.org", "anna@example.org"),
        ('"an na"@example.org', "an na@example.org", "an na@example.org"),
        ('"a\\"b"@example.org', 'a"b@example.org', 'a"b@example.org'),
        ("+tag@example.org", "+tag@example.org", "+tag@example.org"),
        ("jörg@müller.example", "jörg@xn--mller-kva.example", "jörg@xn--mller-kva.example"),
        ("jo\u0308rg@xn--MLLER-kva.example", "jörg@xn--mller-kva.example", "jörg@xn--mller-kva.example"),
        ("a@straße.example", "a@xn--strae-oqa.example", "a@xn--strae-oqa.example"),
        ("a@b\u3002example", "a@b.example", "a@b.example"),
        ("a@example.org.", "a@example.org", "a@example.org"),
        ("a@[127.0.0.1]", "a@[127.0.0.1]", "a@[127.0.0.1]"),
    ],
)
def test_addresses_are_compared_without_case_tag_and_quotes(text: str, key: str, untagged: str) -> None:
    address = parse(text)
    assert (address.key, address.untagged_key, address.text) == (key, untagged, text)


@pytest.mark.parametrize(
    "text",
    [
        *("a%b@example.org", "b!a@example.org", '"a@b"@example.org', '"a%b"@example.org'),
        *("a\uff05b@example.org", "a\uff20b@example.org", "a\ufe6bb@example.org", "b\uff01a@example.org"),
    ],
)
def test_an_address_that_a_trusting_home_would_relay_is_known(text: str) -> None:
    assert parse(text).relays


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a",
            "@b",
            "a@",
            "a b@c",
            ".a@b",
            "a.@b",
            "a..b@c",
            "a@b..c",
            "a@-b",
            "a@b\r\n",
            "a@b c",
            '"a@b',
            "a\0@b",
        ),
        *("x" * 65 + "@b", "a@" + "b" * 256, "<a@b>", "a@b@c", "a@[1.2.3", "@x:a@b"),
        *("a\x85@b", "a\u2028@b", '"a\x9b"@b', "a@\u2024x.example", "a@" + "ü" * 80 + ".example", "a@\u00ad.example"),
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        parse(text)


@given(st.text(max_size=300))
def test_any_text_is_an_address_or_bad_address(text: str) -> None:
    try:
        address = parse(text)
    except BadAddress:
        return
    assert "\r" not in address.text
    assert "\n" not in address.text


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20))
def test_a_quoted_local_part_reads_back_as_itself(local: str) -> None:
    assert parse(f"{quote(local)}@example.org").local == local
