# All of ours on the owner is stopped: the kernel shuts the address when the lease is over, the other node takes it, and
# the owner, when it goes on, finds that its right is gone.
cluster light
links eth0
10.0 freeze node1 for 5
ends 20
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      all of ours on node1 is stopped (SIGSTOP)
   10.201  *      node1 serves light0 no more
   10.450  node2  node1 is lost: no heartbeat within deadtime
   10.450  node2  light0: announcing that this node takes it over
   10.650  node2  light0: taken over, since node1 is lost
   10.654  *      node2 serves light0
   10.674  node2  light0 is started
   15.000  *      over: all of ours on node1 is stopped (SIGSTOP)
   15.000  node1  this node did not run for 5000 ms; silence in that time counts for nothing
   15.000  node1  light0: nothing proves any more that this node is on the network: its addresses are taken off
   15.000  node1  node2 is heard, but does not hear us
   15.000  node1  light0: node2 holds it with the better right; stopped here
   15.000  node2  node1 is heard, but does not hear us
   15.000  node2  node1 is heard, and hears us
   15.023  node1  light0 is stopped (the other node holds it)
   15.050  node1  node2 is heard, and hears us
   16.050  node2  light0: handing over to node1 (failback)
   16.073  node2  light0 is stopped (failback)
   16.074  *      node2 serves light0 no more
   16.078  *      node1 serves light0
   16.099  node1  light0 is started
