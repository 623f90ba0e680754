"""The separation server that DAWs talk to over OSC, and its client.

addresses   what can be said, in one table      messages   packets ↔ messages
settings    what a server is told               server     its sockets; how it comes and goes
peers       who talks to it                     datagrams  those of them who speak UDP
methods     what is done for whom               audience   who hears of which job
transfer    audio that travels over TCP         client     the other side
"""
