"""Definitions: what a province configures without a programmer, in layers, drafts, versions."""
