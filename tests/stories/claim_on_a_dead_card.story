# The ping node is off, so a neighbour's answer must do; heartbeats are cut; and node2's card dies while it announces its
# claim. The address is silent then because nothing is heard at all: no claim on a silence that nothing proves (found by
# the model check: the neighbour's last answer counted for 400 ms, and both had the address).
cluster light
links eth1
with neighbours
10.0 ping
10.8 card node1 eth1 silent
11.1 card node2 eth0 silent
ends 16
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      the ping node is gone
   10.800  *      node1's eth1 loses every frame, and nobody is told
   11.100  *      node2's eth0 loses every frame, and nobody is told
   11.251  node1  node2 is lost: no heartbeat within deadtime
   11.251  node2  node1 is lost: no heartbeat within deadtime
   11.251  node2  light0: announcing that this node takes it over
   11.352  node2  light0: the takeover was dropped before anything was started
