"""What those see who watch the server: metrics, health, readiness."""
