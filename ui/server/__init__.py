"""The HTTP server: the access guard, routes, endpoints, and the page."""
