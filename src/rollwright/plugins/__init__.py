"""Ports and plugins: ``contracts`` says what each kind is, ``registry`` finds them by name."""
