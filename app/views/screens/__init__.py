"""Screens as their definitions describe them: lists, forms, record pages, and their editor."""
