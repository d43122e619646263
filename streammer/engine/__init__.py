"""One loop: blocks in, estimates out; what belongs to a stream lives in `stream`."""
