"""The rules of the notice as plain functions and values.

Standard library only: no clock, no rows, no translation.
"""
