"""A tool for Audacity, which asks the server through its inbox.

inbox        is made where Audacity can name it
choices      what the tool's dialog offers on this machine
following    the progress and the cancel button of an export are those of separations
"""
