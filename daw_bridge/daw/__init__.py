"""What ships to DAWs, and how it gets there.

<name>/      the files for one DAW; that of
ardour       also registers scripts, and separates tracks of saved sessions
live         is Python, as Live runs it
shipping     copies them, with what differs from machine to machine filled in
installers   where each DAW looks for them
remote       asks the script inside Live from outside
"""
