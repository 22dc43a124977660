"""The administrators' side of the web: ``portal/`` is for people, ``api/`` for programs. Neither knows the other."""
