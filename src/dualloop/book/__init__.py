"""What has happened: frozen facts and their fold. Pure; imports only `market`."""
