"""The daemon: pulse's child that decides and acts. Everything it can lose is either durable or asked again."""
