"""The SMTP client over Twisted, on a wire of memory and on real sockets."""
