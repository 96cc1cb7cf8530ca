"""What people see and share: one format a module, each a pure function to bytes or text."""
