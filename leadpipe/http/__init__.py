"""What the clients of PostHog and of the partner share: overall deadlines, waits that a server asks for.

What an answer means is the business of each client.
"""
