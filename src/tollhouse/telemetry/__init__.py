"""Telemetry: named log events and metrics. Traffic never waits for it and it never sees content."""
