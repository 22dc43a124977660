"""Webmail: the continuity mailbox in a browser. It stores, searches and sends by what IMAP and SMTP use.

- ``site.py``: which pages there are. ``services.py``: what they are given.
- ``signed_in.py``: what every page behind the login has; each is a coroutine function of a `Visit`.
  ``signing_in.py``: the login and its steps, and logging out.
- ``sentence.py``: the line about continuity that every page has. ``continuity.py``: opting in and out, and the way to
  set up a telephone. ``dates.py``: times in words.
- ``language.py``: in which language a user reads pages.
- ``settings.py``: a user's password, where they are signed in, and the passwords of their devices. ``factor.py``: what
  they sign in by besides the password. ``trust.py``: of whose mail they see pictures from elsewhere.
  ``signature.py``: the text below what they write. ``vacation.py``: what is answered while they are away.
- ``acting.py``: what is done with messages. ``actions.py``: the forms for it. ``tasks.py``: what takes long.
- ``installing.py``: what a browser is told that installs webmail, and how it tells of new mail.
- ``events.py``: what is new, as it happens. ``news.py``: who listens to that.
- ``folder.py``: the list of a folder. ``window.py``: its rows by their place, for a script. ``folders.py``: folders are
  made, renamed and deleted. ``message.py``: one message.
- ``contents.py``: what a message contains, in a frame of its own. ``attachments.py``: its files and pictures.
  ``kinds.py``: which of these a browser shows. ``reading.py``: has messages read by the processes that read them.
  ``kept.py``: what they said, for a moment. ``invitations.py``: when an event is, in words, and answers to
  invitations.
- ``searching.py``: what a question finds. ``question.py``: what people type. ``conversation.py``: a conversation.
- ``archive.py``: the archive as a place of its own. ``archive_search.py``: a user's own mail in it.
- ``fate.py``: what becomes of a message on its way home, in words.
- ``write.py``: where a user writes, ``letter_page.py``: the page of the form, ``letter_form.py``: how it is read,
  ``saving.py``: how it is saved and sent. ``formatting.py``: letters with formatting. ``attaching.py``: files that a
  script sends. ``outbox.py``: what leaves in a moment, and can be called back. ``originals.py``: what an answer needs
  of a message. ``people.py``: who is meant by what was typed of an address.
"""
