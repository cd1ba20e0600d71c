"""Policy: what may leave the house. A clearance is the permitted call; only this room makes one."""
