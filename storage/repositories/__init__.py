"""What is asked of the tables, one noun a module. Each takes the session of the caller's transaction."""
