# Hole H6: without the kernel's guard a frozen owner goes on answering; the other node is held back by that answer.
cluster light
links eth0
without guard
10.0 freeze node1 for 5
ends 20
---
    0.250  node1  this kernel does not guard the addresses (EOPNOTSUPP): hole H6 is open
    0.250  node2  this kernel does not guard the addresses (EOPNOTSUPP): hole H6 is open
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      all of ours on node1 is stopped (SIGSTOP)
   10.450  node2  node1 is lost: no heartbeat within deadtime
   15.000  *      over: all of ours on node1 is stopped (SIGSTOP)
   15.000  node1  this node did not run for 5000 ms; silence in that time counts for nothing
   15.000  node1  light0: nothing proves any more that this node is on the network: its addresses are taken off
   15.000  node1  node2 is heard, but does not hear us
   15.000  *      node1 serves light0 no more
   15.000  node2  node1 is heard, but does not hear us
   15.050  node2  node1 is heard, and hears us
   15.050  node1  node2 is heard, and hears us
   15.050  node1  light0: the other node neither holds nor claims it: opened again
   15.052  node1  light0 is started
   15.053  *      node1 serves light0
