"""A model's networks on this machine.

installing   located, or fetched, verified and converted, once
importing    a checkpoint of a known family → a model in the user's folder
obtaining    models by their names, with all that they need
publishing   those of the catalogue, fetched and imported at their first use
addresses    where they come from, and whether that still answers
quantised    the same networks in int8, and what was measured of them
prepared     the same networks, optimised for this machine
inspecting   those that users brought: harmless, before they are opened
"""
