"""Accounts from Excel: template, reading, dry run, writing, error file, hand-out sheet, export."""
