"""The stream: the only package of Godot that speaks to Redis.

Every command's place is one module here; nothing outside sees a redis-py type or error.
"""
