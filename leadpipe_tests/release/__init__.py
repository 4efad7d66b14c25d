"""What is released: locks, licences, the bill of materials, the audit, wheel and source archive."""
