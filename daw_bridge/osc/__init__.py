"""The separation server that DAWs talk to over OSC, and its client.

addresses   what can be said, in one table      messages   packets ↔ messages
settings    what a server is told               server     how it comes and goes
starting    it is there when it is needed       announcement    how it is found
peers       who talks to it                     pace       how often something may happen
tokens      what they must know                 reception  their packets are answered
datagrams   those who speak UDP                 streams    a TCP connection
connections those who speak TCP                 methods    what is done for whom
audience    who hears of which job              transfer   audio that travels over TCP
client      the other side
"""
