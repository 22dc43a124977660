"""The one place that joins the parts into a server, and the command line.

- ``program.py``: the program ``mpcontinuity``.
- ``service.py``: what twistd runs: makes the parts, starts and stops them.
- ``server/``: the parts, in the order in which they need each other.
- ``listening/``: ports, TLS, descriptors, and who is let in.
- ``process/``: the log, signals, the service manager; how an error is told.
- ``watch/``: metrics and health pages.
- ``commands/``: the command line, a file for each subject.
- ``doctor/``: ``mpcontinuity doctor``. ``demo/``: ``mpcontinuity demo``.
"""
