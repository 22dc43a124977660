"""What people see of a message that a stranger wrote: text and HTML that can do nothing, attachments, and what is odd.

All of it is pure and runs in a reader process that may die (children/). Nothing here raises for any octets
unless it says so.

- ``shown.py``: what comes out of it. ``show.py``: makes it of a message. ``work.py``: the work of a reader process.
- ``choosing.py``: which parts are shown, and which are attachments. ``names.py``: names of files.
- ``sanitised.py``: HTML without what may do harm. ``css.py``: its style sheets. ``document.py``: the page around it.
  ``composed.py``: HTML that a user writes, or quotes.
  ``unread.py``: what is shown of a message that could not be read.
- ``plain.py``: the paragraphs and levels of plain text. ``links.py``: links in it. ``htmltext.py``: the text of HTML.
  ``marks.py``: letters under too many marks.
- ``invitation.py``: what a calendar asks. ``winmail.py``: the names in Outlook's winmail.dat. ``spoofs.py``: what a
  sender pretends to be.
"""
