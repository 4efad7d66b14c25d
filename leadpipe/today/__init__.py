"""Today: what is new, what waits for somebody and what moves, as a page, a command and a morning message.

The domains bring what is said (`today.py` of each); here is how it is gathered, told as a text, and sent once
a day. How the page looks is `leadpipe.web`'s business.
"""
