"""The API the windows use: schema, server, roles, and the client with its transports."""
