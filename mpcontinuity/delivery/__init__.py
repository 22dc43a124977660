"""What becomes of a message that comes in, and of one that a user or a home server sends.

- ``transaction.py``: what a door asks while it takes a message. ``envelope.py``: what is known of the message
  meanwhile. ``reception.py``: writes the message down as it comes.
- ``incoming.py``: mail for our domains; routing/decision.py decides. ``source.py``: where such mail may come from, and
  what follows from that. ``replies.py``: the replies to its client.
- ``handover.py``: a complete message goes to home, or is kept. ``relay.py``: home took it. ``redirect.py``: it did not,
  and the message goes into INBOX and is owed.
- ``answered.py``: remembers what was answered, for a client that comes again. ``awaited.py``: replies of home that are
  still awaited. ``reservations.py``: sessions to home that are reserved for a client.
- ``refusals.py``: refusals, written into tracking. ``newcomers.py``: addresses that become users by ``relay-check``.
- ``vacation.py``: which recipients have a vacation text that may answer it.
- ``outward.py``: mail that leaves. ``submission.py``: of a user. ``from_home.py``: of a home server. ``departure.py``:
  its transaction. ``internal.py``: mail of our users to our own domains.
- ``release.py``: mail from the archive.
- ``calling.py``: a home server asks for what it is owed (ETRN).
- ``filing.py``: a message that a user puts into a mailbox.
- ``service.py``: what all transactions of a process share.
"""
