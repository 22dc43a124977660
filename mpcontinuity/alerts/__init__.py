"""Tells administrators, subscribers and users what they should know, by mail that needs no home server.

- ``service.py``: looks at outages and errors, and decides what is told. Begin here. ``outages.py``, ``alarms.py``: what
  it goes by, and what was told when. ``wording.py``: what a mail says. ``mailing.py``: brings it to subscribers.
- ``acting.py``: what people do about an outage, also by the link in a mail.
- ``subscribers.py``: who hears of a domain.
- ``notices.py``: what users are told of outages, in the words of ``user_texts.py``. ``first_logins.py``: notes when
  they come here. ``tellings.py``, ``telling.py``: what all users of a domain are told,
  how far that is, and the work of it.
- ``announcing.py``: keeps what the server itself has to say, and puts it into INBOX or into the queue.
"""
