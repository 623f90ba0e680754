"""What ships to DAWs, and how it gets there.

<name>/      the files for one DAW; that of
ardour       also registers scripts, and separates tracks of saved sessions
audacity     also commands it while it runs
shipping     copies them, with what differs from machine to machine filled in
installers   where each DAW looks for them
"""
