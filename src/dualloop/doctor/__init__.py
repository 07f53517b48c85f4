"""Whether everything is ready for the day: what can be looked at is looked at, and nothing is changed by it."""
