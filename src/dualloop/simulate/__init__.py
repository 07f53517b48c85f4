"""The whole program under a seed, in a world worse than the real one: what can go wrong does, and is replayed."""
