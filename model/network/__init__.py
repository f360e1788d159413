"""The network, from patches to shapes, actions and classes, and its assembly."""
