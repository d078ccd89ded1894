"""The output: the first line, the lines below it, and perfdata.

``headline`` writes the first line and ``lines`` those below it.  ``text`` is the only place where
text from a server is made printable.  ``server_set`` has the first line and the perfdata of a set.
The room imports ``run``, ``options`` and what is above, and decides no state.
"""
