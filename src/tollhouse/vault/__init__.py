"""Vault: provider credentials. In this version they come from settings, by environment or file, behind the port
that the encrypted vault takes over.
"""
