"""What holds for all tests."""

import signal

# A shell without job control starts what it puts in the background with SIGINT ignored, and every
# process started here would inherit that: tests of Ctrl-C would wait for nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
