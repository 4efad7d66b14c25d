"""Attacks on a deployment: each row of the table in docs/security.md."""
