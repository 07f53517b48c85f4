"""What goes over the line, byte by byte: read and written, for the adapters here and the simulated servers."""
