"""A small web shop: the service that the demo watches. It is written as such services are, faults included."""
