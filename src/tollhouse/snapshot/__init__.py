"""Snapshot: everything the data plane reads of configuration, compiled into one immutable, versioned value."""
