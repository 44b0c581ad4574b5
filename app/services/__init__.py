"""What the portal does, one module a noun: load, ask the domain, write, audit, flush; never
commit."""
