"""REP workers behind zmq_proxy, as in the ZeroMQ guide: rep_workers.py FRONTEND"""

import sys
import threading

import zmq

context = zmq.Context()
frontend = context.socket(zmq.ROUTER)
frontend.bind(sys.argv[1])
backend = context.socket(zmq.DEALER)
backend.bind("inproc://workers")


def work():
    worker = context.socket(zmq.REP)
    worker.connect("inproc://workers")
    while True:
        request = worker.recv()
        worker.send(b"%d bytes" % len(request))


for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
zmq.proxy(frontend, backend)
