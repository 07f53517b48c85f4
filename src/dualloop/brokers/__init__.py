"""Where orders go: one module a broker, behind the `Broker` door of `ports`."""
