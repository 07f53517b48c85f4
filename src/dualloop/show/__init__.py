"""Answers as text for a person: plain, aligned, at most 80 columns, readable without colour. ASCII only."""
