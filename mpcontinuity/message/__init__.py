"""Internet messages as octets. Nothing here does input or output, and no octets make it raise unless it says so.

- ``fields.py``: finds header fields. ``header_limits.py``: how much a header may be. ``structure.py``: the MIME parts.
  ``contenttype.py``: Content-Type and Content-Disposition. ``addresses.py``: lists of addresses. ``dates.py``: dates.
- ``charset.py``: text in any charset. ``encodedwords.py``: text in header fields. ``text.py``: the text of a message as
  people read it, ``markup.py``: that of HTML. ``matching.py``: searches it. ``summary.py``: subject and Message-ID.
  ``overview.py``: what a list shows of a message. ``references.py``: which messages it answers.
  ``subjects.py``: what a subject says. ``threads.py``: puts messages together.
- ``transfer.py``: undoes transfer encodings piece by piece.
- ``display/``: what people are shown of a message that a stranger wrote.
- ``render.py``: computes what IMAP shows of a message, from ``envelope.py`` and ``bodystructure.py``; ``rendered.py``
  reads it. ``imap_string.py``: strings as IMAP sends them. ``lineends.py``: what POP3 adds. ``mbox.py``: files of
  messages.
- ``trace.py``: Received, Return-Path, and fields that only claim to be ours. ``submitted.py``: the header of a message
  that a user sends. ``composing.py``: writes one that a user composes; ``scheduling.py``: an answer to an invitation;
  ``typed_addresses.py``: the addresses that people type. ``dkim.py``: signatures. ``report.py``: delivery status
  notifications. ``announcement.py``: what the server itself has to say to people. ``automatic.py``: which
  mail no program may answer.
"""
