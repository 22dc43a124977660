"""The one place that joins parts: the command line (program.py), what twistd runs (service.py), and all they need."""
