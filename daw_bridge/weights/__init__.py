"""A model's networks on this machine.

installing   located, or fetched, verified and converted, once
importing    a checkpoint of a known family → a model in the user's folder
inspecting   those that users brought: harmless, before they are opened
"""
