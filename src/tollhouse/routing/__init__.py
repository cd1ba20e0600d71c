"""Routing: which provider and model serve a call, with which credential, and what comes next when one fails."""
