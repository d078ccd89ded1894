"""The words: the first line, the lines below it, and perfdata.

``text`` is the one place where text from a server is made printable; ``headline`` writes the
first line, ``lines`` those below it, ``perfdata`` says which perfdata a large set prints.  It
imports ``run``, ``options`` and what is above, and decides no state.
"""
