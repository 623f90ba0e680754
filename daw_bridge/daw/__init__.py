"""What ships to DAWs, and how it gets there.

<name>/          the files for one DAW
shipping.py      copies them, with what differs from machine to machine filled in
installers.py    where each DAW looks for them
ardour/          also registers scripts, and separates tracks of saved sessions
"""
