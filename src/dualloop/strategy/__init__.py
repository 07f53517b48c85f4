"""What we would do: pure functions on integers. Imports only `market`."""
