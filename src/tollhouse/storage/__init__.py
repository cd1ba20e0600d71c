"""Storage: one engine, PostgreSQL - the operator's own, or the embedded one - numbered migrations, named SQL."""
