"""How the tables of the store in PostgreSQL came to be, step by step; alembic runs them.

A step that was released is never changed: a later one corrects it. Steps do not import the
tables of the present, which they lead to.
"""
