"""What tests share: results made by hand, simulated drivers, the command line as a process."""
