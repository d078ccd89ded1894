"""The command line: words to checked values, before the first packet.

``table`` lists every option, and ``words`` says what a value may be.  ``command_line`` reads
``argv`` by the table, compares options with one another, and keeps every mistake.  ``ini_file``
reads ``--extra-opts``, and ``help`` writes ``--help``.  The room imports only ``record names
vocabulary``, and it is imported before the first packet.
"""
