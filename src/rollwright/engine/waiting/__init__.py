"""Waiting by watch: nothing is asked again and again."""
