"""What webmail is given of the server."""

from __future__ import annotations

from dataclasses import dataclass, field

from mpcontinuity.access.webmail.news import News
from mpcontinuity.access.webmail.reading import Reading
from mpcontinuity.access.webmail.tasks import Tasks
from mpcontinuity.accounts.directory import Directory
from mpcontinuity.accounts.quotas import Quotas
from mpcontinuity.accounts.user_login import UserLogin
from mpcontinuity.accounts.users import User
from mpcontinuity.accounts.web_sessions import WebSessions
from mpcontinuity.archive.folder import EmailArchives
from mpcontinuity.control.operation import Control
from mpcontinuity.mailbox.view import Views
from mpcontinuity.model.timer import Timer
from mpcontinuity.web.languages import Languages
from mpcontinuity.writing.desk import Desk
from mpcontinuity.writing.outbox import Outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class WebmailServices:
    """The parts of the server that the pages use.

    ``control`` is what operations work with, each page calling them in the name of its user; store, settings and
    randomness are its own. ``directory`` finds users, ``login`` judges passwords, and ``sessions`` knows who is signed
    in. ``views`` are those of IMAP, ``quotas`` bounds what a user stores, and ``archives`` fills `Email Archive`.
    ``timer`` is the reactor. ``desk`` saves what users write, and ``outbox`` sends it. ``reading`` has messages read
    for display, ``news`` tells pages that are open, and ``tasks`` are what takes longer than a page.
    ``languages`` are those of its texts.
    """

    control: Control
    directory: Directory
    login: UserLogin
    sessions: WebSessions[User]
    views: Views
    quotas: Quotas
    archives: EmailArchives
    timer: Timer
    desk: Desk
    outbox: Outbox
    news: News
    reading: Reading
    tasks: Tasks = field(default_factory=Tasks)
    languages: Languages = field(default_factory=Languages)
