"""mpcontinuity: an email continuity server.

It stands in front of a mail server, the *home server*, passes mail through, and takes it itself while home is away.
docs/way-of-a-message.md tells where to begin reading, docs/glossary.md explains the words.

Each package has a head like this one, which says what is in it, file by file. Imports go downwards only, in this order:

- ``app``: joins the parts into a server, and has the command line.
- ``config``: reads and explains mpcontinuity.toml.
- ``inbound``: SMTP for those who bring mail. ``access``: IMAP and POP3 for those who read it, and webmail.
- ``control``: every operation of administrators, as a function. ``check``: finds and mends damage in the store.
- ``alerts``: what the server itself has to say to people. ``reports``: delivery status notifications to senders.
  ``vacation``: answers mail in the name of users who are away. ``webhooks``: tells other systems how domains are.
  ``writing``: what users write by webmail, until it is on its way.
- ``delivery``: what becomes of a message that comes in or is sent. ``redelivery``: sends home what is owed to it.
  ``homes``: watches home servers. ``dispatch``: sends mail to the world.
- ``queue``: the rows of what waits to be sent, and the ledger over them.
- ``archive``: what passed through. ``web``: HTTP.
- ``door``: what every door does alike. ``accounts``: domains, users, administrators, and who may log in.
- ``mailbox``: mailboxes and the messages in them. ``tracking``: what happened to each message. ``verdicts``: SPF, DKIM
  and DMARC.
- ``outbound``: the SMTP client, home servers and the hosts of the world.
- ``routing``: decisions as pure tables: what is done with a message, and how a home server is.
- ``store``: the database and the files, and nothing else knows them.
- ``protocols``: SMTP, IMAP, POP3 and SASL without sockets. ``children``: processes that read hostile octets.
- ``message``: messages as octets. ``model``: values that all others use.
"""

__version__ = "0.1.0"
