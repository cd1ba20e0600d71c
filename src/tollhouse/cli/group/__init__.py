"""Command groups. Each file has `attach(application)`, which adds its commands; that is all the program asks of it."""
