"""Budget: what may be spent. A hold is the price ceiling of a call, set aside while it runs."""
