"""`godot tap`: what two MCP components say to each other, recorded while it passes.

Two processes. One passes bytes on and does nothing else that could take time; it imports no client.
The other, forked before anything starts, cuts the bytes into messages and logs them. So no amount
of parsing, redacting or waiting for Redis can delay the traffic, and what our client prints while
Redis is away has no way to the tapped stdout: the process that prints does not hold it.
"""
