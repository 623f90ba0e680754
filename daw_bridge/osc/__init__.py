"""The separation server that DAWs talk to over OSC, and its client.

addresses   what can be said, in one table      messages   packets ↔ messages
settings    what a server is told               server     its sockets; how it comes and goes
peers       who talks to it                     transfer   audio that travels over TCP
methods     what is done for whom               client     the other side
"""
