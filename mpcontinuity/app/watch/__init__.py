"""What those see who watch the server: metrics, health, readiness.

- ``monitoring.py``: the pages. ``metrics.py``: /metrics. ``health.py``: /healthz and /readyz.
- ``overview.py``: what they show of the database and the disk, read in the background. ``single_flight.py``: one look
  for all who ask at a time.
- ``lag.py``: how late the reactor is. ``examiner.py``: `doctor`, for those who ask a running server.
"""
