"""``twistd mpcontinuity --config FILE``."""

from twisted.application.service import ServiceMaker

mpcontinuity = ServiceMaker(
    "mpcontinuity",
    "mpcontinuity.app.service",
    "Email continuity: SMTP in front, IMAP while home is away.",
    "mpcontinuity",
)
