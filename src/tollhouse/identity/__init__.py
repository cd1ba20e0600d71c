"""Identity: who is calling, and may they. Gateway keys: a CRC that strangers fail before any look-up,
an HMAC under a versioned pepper instead of the secret, grants as data.
"""
