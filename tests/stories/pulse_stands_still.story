# The owner's heartbeat process alone stands still: its daemon judges nobody, and asks nothing that would make it look
# like a rival for the address. So the other node takes it, as if all of ours were stopped. (Found by real daemons, when
# somebody loaded 200,000 elements into nft and the renewal waited in the kernel.)
cluster light
links eth0
10.0 still node1 for 8
25.0 still node2 for 3
ends 32
---
    0.550  node2  node1 is heard, and hears us
    0.550  node1  node2 is heard, and hears us
    0.555  *      node1 serves light0
    0.576  node1  light0 is started
   10.000  *      the heartbeat process of node1 stands still, its daemon goes on
   10.201  *      node1 serves light0 no more
   10.450  node2  node1 is lost: no heartbeat within deadtime
   10.450  node2  light0: announcing that this node takes it over
   10.650  node2  light0: taken over, since node1 is lost
   10.654  *      node2 serves light0
   10.674  node2  light0 is started
   18.000  *      over: the heartbeat process of node1 stands still, its daemon goes on
   18.000  node1  this node did not run for 8000 ms; silence in that time counts for nothing
   18.000  node1  node2 is heard, but does not hear us
   18.000  node1  light0: nothing proves any more that this node is on the network: its addresses are taken off
   18.000  node1  light0: node2 holds it with the better right; stopped here
   18.000  node2  node1 is heard, and hears us
   18.000  node2  light0: node1 holds it too; this node has the better right and keeps it
   18.000  node2  light0: held by this node alone again; its addresses are announced anew
   18.023  node1  light0 is stopped (the other node holds it)
   18.050  node1  node2 is heard, and hears us
   19.050  node2  light0: handing over to node1 (failback)
   19.073  node2  light0 is stopped (failback)
   19.074  *      node2 serves light0 no more
   19.078  *      node1 serves light0
   19.099  node1  light0 is started
   25.000  *      the heartbeat process of node2 stands still, its daemon goes on
   25.450  node1  node2 is lost: no heartbeat within deadtime
   28.000  *      over: the heartbeat process of node2 stands still, its daemon goes on
   28.000  node2  this node did not run for 3000 ms; silence in that time counts for nothing
   28.000  node2  node1 is heard, but does not hear us
   28.000  node1  node2 is heard, and hears us
   28.050  node2  node1 is heard, and hears us
