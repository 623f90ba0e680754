"""A model's networks on this machine.

installing   located, or fetched, verified and converted, once
importing    a checkpoint of a known family → a model in the user's folder
quantised    the same networks in int8, and what was measured of them
inspecting   those that users brought: harmless, before they are opened
"""
