"""The only rooms that wait and act: two loops, one desk, one day. Never imports brokers or sim."""
