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
        ("A..b.@example.org", "a..b.@example.org", "a..b.@example.org"),
        (".a+x..y@example.org", ".a+x..y@example.org", ".a@example.org"),
        ("x" * 200 + "@example.org", "x" * 200 + "@example.org", "x" * 200 + "@example.org"),
        ("a@[127.0.0.1]", "a@[127.0.0.1]", "a@[127.0.0.1]"),
    ],
)
def test_addresses_are_compared_without_case_tag_and_quotes(text: str, key: str, untagged: str) -> None:
    address = parse(text)
    assert (address.key, address.untagged_key, address.text) == (key, untagged, text)


def test_a_dot_behind_the_domain_makes_no_other_address() -> None:
    assert parse("Anna@Example.ORG.") == parse("Anna@Example.ORG")


@pytest.mark.parametrize("dots", ["a..b", ".a", "a.", "a...b"])
def test_only_their_own_dots_make_addresses_the_same(dots: str) -> None:
    assert parse(f"{dots}@example.org").key == f"{dots}@example.org"


@pytest.mark.parametrize("domain", ["b" * 64 + ".example", "a." + "b" * 64, ".".join(["b" * 61] * 4) + ".example"])
def test_a_domain_that_dns_has_no_room_for_is_known(domain: str) -> None:
    assert len(domain) <= 255
    assert parse(f"a@{domain}").impossible
    assert not parse(f"a@{domain}".replace("bb", "b")).impossible


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
            "a@b..c",
            "a@-b",
            "a@b\r\n",
            "a@b c",
            '"a@b',
            "a\0@b",
        ),
        *("x" * 511 + "@b", "a@" + "b" * 256, "<a@b>", "a@b@c", "a@[1.2.3", "@x:a@b"),
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


def test_a_text_without_an_at_is_told_so() -> None:
    with pytest.raises(BadAddress, match="no @ and domain"):
        parse("nonsense")
