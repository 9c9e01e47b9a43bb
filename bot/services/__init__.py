"""Use cases: each does one thing for a person, whatever platform they are on."""
