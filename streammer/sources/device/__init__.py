"""Sound devices: captured by a process of its own, which can be given up on.

PortAudio and the libraries below it wait for a sound server without a limit, print to descriptor
2, stop all streams when they are asked to list devices anew, and hold state that is of no use once
a server has gone away under it. None of that can be undone from a thread. So `worker` runs them in
a process that lists, or captures from one device, and is ended and started afresh whenever that is
needed; `source` and `process` stand on the other side of its pipe.
"""
