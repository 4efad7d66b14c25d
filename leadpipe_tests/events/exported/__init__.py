"""Files of exports: what their rows become, and which files are refused."""
