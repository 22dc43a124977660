"""What users read of an outage, in plain words, with the very settings of this server. Pure.

Notices (notices.py) send some of it; all of it is shown to administrators, who pass it on by what still works.
"""

from __future__ import annotations

from mpcontinuity.model import public
from mpcontinuity.model.clock import iso
from mpcontinuity.model.settings import Settings
from mpcontinuity.protocols.discovery.useragent import SETUP


def beginning_subject(settings: Settings, name: str) -> str:
    """Returns the subject of `beginning`."""
    return f"Your mail of {name} goes on at {public.host(settings)}"


def beginning(settings: Settings, name: str, began: int = 0) -> str:
    """Returns what users of the domain ``name`` have to know in an outage that ``began`` then (µs).

    Without a time it is what they would be told, should one begin.
    """
    host = public.host(settings)
    since = f" since {_moment(began)}" if began else " at present"
    webmail, guide = public.url(settings), public.url(settings, SETUP)
    return (
        f"The mail server of {name} does not serve{since}.\n"
        f"Your mail goes on: what is sent to you arrives at {host}, where you can read\n"
        "and answer it, and write to others.\n\n"
        + (f"In a browser, at once:\n{webmail}\n\n" if webmail else "")
        + "In a mail program, with these settings:\n\n"
        f"{_places(settings)}\n"
        + (f"How to set up a mail program or a phone, step by step:\n{guide}\n\n" if guide else "")
        + "Your user name is your mail address. The password is the one that you have\n"
        f"chosen for {host}; if you have none, ask your administrators for an\n"
        "invitation.\n\n"
        "When the mail server is back, you are told so, and all mail will be there, too.\n"
    )


def end_subject(name: str) -> str:
    """Returns the subject of `end`."""
    return f"The mail server of {name} is back"


def end(name: str, ended: int) -> str:
    """Returns what users have to know after an outage that ``ended`` then (µs)."""
    return (
        f"The mail server of {name} serves again since {_moment(ended)}.\n"
        "Please go on there, as you are used to. What arrived meanwhile, and what you\n"
        "sent, is brought there now; that may take a while.\n"
    )


def beginning_in_short(settings: Settings, name: str) -> str:
    """Returns what fits into a text message."""
    where = public.url(settings) or public.host(settings)
    return f"The mail server of {name} is away. Read and send your mail here meanwhile: {where}"


def end_in_short(name: str) -> str:
    """Returns what fits into a text message."""
    return f"The mail server of {name} is back. Please use your mail there as usual. All mail will be there soon."


def beginning_for_all(settings: Settings, name: str, began: int = 0) -> str:
    """Returns a notice for an intranet or a board: short, and without personal words."""
    host, webmail, guide = public.host(settings), public.url(settings), public.url(settings, SETUP)
    since = f" since {_moment(began)}" if began else ""
    return (
        f"E-mail of {name}: our mail server is out of service{since}.\n\n"
        f"No mail is lost. New mail arrives at {host} at once, and answers can be sent from there, under\n"
        "the usual addresses.\n\n"
        + (f"- In a browser: {webmail}\n" if webmail else "")
        + (f"- Set up a phone or a mail program: {guide}\n" if guide else "")
        + "".join(f"- {line.strip()}\n" for line in _places(settings).splitlines())
        + "- User name: your mail address. No password yet? Ask for an invitation.\n\n"
        "Older mail is on the mail server, and is back with it. We will tell you.\n"
    )


def end_for_all(name: str, ended: int) -> str:
    """Returns a notice for an intranet or a board, after an outage that ``ended`` then (µs)."""
    return (
        f"E-mail of {name}: our mail server is in service again since {_moment(ended)}.\n\n"
        "Please use it as usual. Mail that arrived or was sent meanwhile is being brought there.\n"
    )


def _places(settings: Settings) -> str:
    return "".join(
        f"  {place.protocol}: {place.host}, port {place.port}, {place.security}\n" for place in public.places(settings)
    )


def _moment(time: int) -> str:
    return f"{iso(time)[:16].replace('T', ' ')} UTC"
