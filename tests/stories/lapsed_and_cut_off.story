# The owner's card to the clients dies, and before it hands over it is stopped for longer than a lease: it must hand over
# what is shut, too (found by the model check: it stayed shut for ever, beside a node that could serve).
cluster light
links eth1
10.0 card node1 eth0 silent
10.15 freeze node1 for 0.36
ends 20
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      node1's eth0 loses every frame, and nobody is told
   10.150  *      all of ours on node1 is stopped (SIGSTOP)
   10.251  *      node1 serves light0 no more
   10.510  *      over: all of ours on node1 is stopped (SIGSTOP)
   10.510  node1  this node did not run for 360 ms; silence in that time counts for nothing
   10.510  node1  light0: nothing proves any more that this node is on the network: its addresses are taken off
   10.510  node2  node1 is heard, but does not hear us
   10.550  node1  light0: handing over to node2 (cut off from the ping node)
   10.560  node2  node1 is heard, and hears us
   10.571  node1  light0 is stopped (cut off from the ping node)
   10.576  *      node2 serves light0
   10.597  node2  light0 is started
