"""Gateway: the data plane. One corridor (`pipeline.py`), read top-down, that every call walks."""
