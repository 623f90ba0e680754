"""What ships to DAWs, and how it gets there.

<name>/      the files for one DAW; that of
ardour       also registers scripts, and separates tracks of saved sessions
audacity     also writes what its dialog offers, shows progress there, and commands it
live         is Python, as Live runs it
shipping     copies them, with what differs from machine to machine filled in
installers   where each DAW looks for them
remote       asks the script inside Live from outside
service      a server that starts by itself
diagnosis    what is here, and what is missing
"""
