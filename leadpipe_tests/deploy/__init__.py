"""What a server runs: the image and its services, systemd's units, the proxies, the documented lines."""
