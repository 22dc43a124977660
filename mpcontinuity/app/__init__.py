"""The one place that joins parts: the service, its listeners and certificates, the command line."""
