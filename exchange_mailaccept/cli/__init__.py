"""The command line: words to checked values, before the first packet.

``table`` lists every option, and ``words`` says what a value may be.  ``command_line`` reads
``argv`` by the table and keeps every mistake, ``checks`` compares options with one another, and
``parser`` joins them.  ``ini_file`` reads ``--extra-opts``, and ``help`` writes ``--help``.  The
room imports only ``record names dates vocabulary``, and it is imported before the first packet.
"""
