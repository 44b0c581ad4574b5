"""What the portal must be able to carry, measured beside a peer in the same run: `make bench`."""
