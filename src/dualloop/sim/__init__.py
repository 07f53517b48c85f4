"""A world under a seed: virtual time and an exchange in memory."""
