"""Charsets as mail names them, rightly and wrongly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.message.charset import decode, decoded

# Labels of the WHATWG Encoding Standard (§4.2), and names that Outlook, Apple's mail and IBM's write.
WHATWG = {
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8",
    "cp866": "866 cp866 csibm866 ibm866",
    "iso8859_2": "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2",
    "iso8859_5": "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso88595 iso_8859-5:1988",
    "iso8859_6": "arabic asmo-708 csiso88596e csiso88596i ecma-114 iso-8859-6-e iso-8859-6-i iso-ir-127",
    "iso8859_7": "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 sun_eu_greek",
    "iso8859_8": "csiso88598e csisolatinhebrew hebrew iso-8859-8-e visual csiso88598i iso-8859-8-i logical",
    "koi8_r": "cskoi8r koi koi8 koi8-r koi8_r",
    "koi8_u": "koi8-ru koi8-u",
    "mac_roman": "csmacintosh mac macintosh x-mac-roman",
    "cp874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874 x-windows-874 cp874",
    "cp1250": "cp1250 windows-1250 x-cp1250 win-1250 windows1250",
    "cp1252": "ansi_x3.4-1968 ascii cp819 csisolatin1 iso-8859-1 iso-ir-100 l1 latin1 us-ascii windows-1252 x-ansi",
    "cp1254": "csisolatin5 iso-8859-9 iso-ir-148 l5 latin5 windows-1254",
    "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "gb18030": "chinese csgb2312 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030 windows-936 cp936",
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5",
    "cp950": "windows-950 ms950",
    "euc_jp": "cseucpkdfmtjapanese euc-jp x-euc-jp",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis cp932 cp943 ibm-943",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 windows-949",
    "cp850": "ibm850 ibm00850 cp850",
    "mac_latin2": "x-mac-ce",
}
LETTERS = {
    "cp866": "Привет",
    "iso8859_2": "Łódź",
    "iso8859_5": "Привет",
    "iso8859_6": "مرحبا",
    "iso8859_7": "Γειά",
    "iso8859_8": "שלום",
    "koi8_r": "Привет",
    "koi8_u": "Привіт",
    "cp874": "ใบเสนอราคา",
    "cp1250": "Łódź",
    "mac_cyrillic": "Привет",
    "gb18030": "会议纪要",
    "big5hkscs": "會議記錄",
    "cp950": "會議記錄",
    "euc_jp": "会議ｱ",
    "cp932": "会議ｱ①",
    "cp949": "회의록똠",
    "mac_latin2": "Łódź",
}


@pytest.mark.parametrize("codec", WHATWG)
def test_a_charset_is_known_by_all_names_that_mail_gives_it(codec: str) -> None:
    text = LETTERS.get(codec, "Übergröße")
    for label in WHATWG[codec].split():
        assert decode(text.encode(codec), label) == text, label
        assert decode(text.encode(codec), f' "{label.upper()}" ') == text, label


@pytest.mark.parametrize("charset", ["ISO-2022-JP", "csISO2022JP", "cp50220", "iso-2022-jp-ms"])
def test_japanese_of_windows_has_signs_beyond_the_standard(charset: str) -> None:
    """NEC's row 13, NEC's and IBM's further characters, half-width kana in each of the three ways to write them."""
    assert decode(b'\x1b$B-!-"\x1b(B \x1b$B8+@Q=q\x1b(B \x1b$B|b\x1b(B!', charset) == "①② 見積書 髙!"
    for kana in (b"\x1b(I12\x1b(B", b"\x0e12\x0f", b"\xb1\xb2"):
        assert decode(b"a" + kana + b"b", charset) == "aｱｲb"
    assert decode("①髙".encode("cp932"), "sjis") == "①髙"
    assert decode(b"\xad\xa1\xb8\xab\xfc\xe2", "euc-jp") == "①見髙"


@pytest.mark.parametrize(
    "charset", ["iso-2022-jp", "euc-kr", "gb2312", "big5", "shift_jis", "windows-1251", "us-ascii", "x"]
)
@pytest.mark.parametrize("text", ["ほげほげ見積", "会议", "안녕하세요"])
def test_utf_8_under_a_wrong_name_is_utf_8(text: str, charset: str) -> None:
    assert decode(text.encode(), charset) == text


@pytest.mark.parametrize(
    ("charset", "text"), [("windows-874", "ยก"), ("cp866", "раб"), ("gb2312", "这是"), ("koi8-r", "да")]
)
def test_a_word_that_could_be_utf_8_is_read_in_its_own_charset(charset: str, text: str) -> None:
    assert decode(text.encode(charset.replace("windows-", "cp")), charset) == text


def test_what_does_not_decode_is_replaced_and_the_rest_is_read() -> None:
    assert decode(b"a\xff\x80b", "utf-8") == "a\ufffd\ufffdb"
    assert decode(b"\xa4\xa2\xffx", "euc-jp") == "あ\ufffdx"
    assert decode(b"caf\xe9", "no such charset") == "café"


@given(st.binary(max_size=60), st.sampled_from([*WHATWG, "iso-2022-jp", "hz-gb-2312", "utf-7", "utf-16"]))
def test_pieces_read_as_the_whole_does(data: bytes, charset: str) -> None:
    whole = decode(data, charset)
    assert "".join(decoded(lambda: [data[:7], data[7:20], data[20:]], charset)) == whole


@given(st.binary(max_size=100), st.text(max_size=20))
def test_any_bytes_decode_with_any_charset(data: bytes, charset: str) -> None:
    decode(data, charset)


def test_a_half_of_a_pair_that_utf_7_wrote_alone_is_a_sign_that_stands_for_it() -> None:
    assert decode(b"a+2AA-b+2D3eAA-", "utf-7") == "a\ufffdb\U0001f600"
