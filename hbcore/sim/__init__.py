"""The engine that runs, in a simulated world: network, kernels, disks, clocks, scripts, faults, and a judge."""
