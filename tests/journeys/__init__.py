"""The server as strangers meet it: the real twistd, smtplib, imaplib and mbsync, a scripted home server."""
