"""The draws domain."""
