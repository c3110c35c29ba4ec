# A frozen owner of a database whose machine still answers: the other node does not take over, and says what to do.
cluster heavy
links eth0
10.0 freeze node1 for 8
ends 25
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves heavy0
    0.576  node1  heavy0 is started
   10.000  *      all of ours on node1 is stopped (SIGSTOP)
   10.450  node2  node1 is lost: no heartbeat within deadtime
   18.000  *      over: all of ours on node1 is stopped (SIGSTOP)
   18.000  node1  this node did not run for 8000 ms; silence in that time counts for nothing
   18.000  node1  heavy0: nothing proves any more that this node is on the network: its addresses are taken off
   18.000  node1  node2 is heard, but does not hear us
   18.000  node2  node1 is heard, but does not hear us
   18.050  node2  node1 is heard, and hears us
   18.050  node1  node2 is heard, and hears us
   18.050  node1  heavy0: the other node neither holds nor claims it: opened again
   18.052  node1  heavy0 is started
