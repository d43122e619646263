"""The browser page: a subscriber of the bus that shows what it receives to any number of browsers.

`reader` follows the bus in a thread, `board` keeps what came and tells the browsers, `client` is
one of them, `app` and `guard` are what they may ask for, `server` listens. `static` is the page.
"""
