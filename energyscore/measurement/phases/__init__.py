"""How the energy of a window is split among its phases."""
