"""The command line: words to checked values, before the first packet.

``table`` lists every option and ``words`` says what a value may be. ``command_line`` reads
``argv`` against the table and keeps every mistake; ``checks`` says what options mean for one
another; ``parser`` joins them. ``ini_file`` reads ``--extra-opts`` and ``help`` writes
``--help``. The first packet waits for this room, so nothing here takes long to import. It imports
only ``record names dates vocabulary``.
"""
