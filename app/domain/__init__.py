"""The rules of the notice as plain functions and values: standard library only, no clock, no rows, no translation."""
