"""The one place that joins the parts into a server, and the command line.

- ``program.py``: the program ``mpcontinuity``. ``refusal.py``: how a refusal is shown to an administrator.
- ``service.py``: what twistd runs: makes the parts, starts and stops them.
- ``server/``: the parts, in the order in which they need each other.
- ``listening/``: ports, TLS, descriptors, and who is let in.
- ``process/``: the log, signals, the service manager.
- ``watch/``: metrics and health pages.
- ``commands/``: the command line, a file for each subject.
- ``doctor/``: ``mpcontinuity doctor``. ``demo/``: ``mpcontinuity demo``.
"""
