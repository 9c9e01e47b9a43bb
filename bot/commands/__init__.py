"""What people can ask for: one file a family; each command declares its name, role, arguments and handler."""
