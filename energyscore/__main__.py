"""`python -m energyscore` is `energyscore`."""

from energyscore.cli import main

main()
