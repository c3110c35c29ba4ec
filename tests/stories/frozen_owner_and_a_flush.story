# Somebody removes all firewall rules of the owner. The guard is back at once, and a freeze one second later still ends
# silent.
cluster light
links eth0
10.0 flush node1
11.0 freeze node1 for 5
ends 20
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      somebody removes all firewall rules of node1 (nft flush ruleset)
   10.000  node1  somebody removed the kernel guard of the addresses (nft flush ruleset does that): it is put back
   10.000  node1  the kernel guards the addresses again
   11.000  *      all of ours on node1 is stopped (SIGSTOP)
   11.201  *      node1 serves light0 no more
   11.450  node2  node1 is lost: no heartbeat within deadtime
   11.450  node2  light0: announcing that this node takes it over
   11.650  node2  light0: taken over, since node1 is lost
   11.654  *      node2 serves light0
   11.674  node2  light0 is started
   16.000  *      over: all of ours on node1 is stopped (SIGSTOP)
   16.000  node1  this node did not run for 5000 ms; silence in that time counts for nothing
   16.000  node1  light0: nothing proves any more that this node is on the network: its addresses are taken off
   16.000  node1  node2 is heard, but does not hear us
   16.000  node1  light0: node2 holds it with the better right; stopped here
   16.000  node2  node1 is heard, but does not hear us
   16.000  node2  node1 is heard, and hears us
   16.023  node1  light0 is stopped (the other node holds it)
   16.050  node1  node2 is heard, and hears us
   17.050  node2  light0: handing over to node1 (failback)
   17.073  node2  light0 is stopped (failback)
   17.074  *      node2 serves light0 no more
   17.078  *      node1 serves light0
   17.099  node1  light0 is started
