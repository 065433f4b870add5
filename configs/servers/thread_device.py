"""pyzmq's queue device, a bare ROUTER/DEALER proxy without workers: thread_device.py FRONTEND BACKEND"""

import sys

import zmq
from zmq.devices import ThreadDevice

device = ThreadDevice(zmq.QUEUE, zmq.ROUTER, zmq.DEALER)
device.bind_in(sys.argv[1])
device.bind_out(sys.argv[2])
device.start()
device.join()
