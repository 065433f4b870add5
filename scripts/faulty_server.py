"""A ROUTER that answers each request after 2 ms and has one fault, for scripts/verdict.

Usage: faulty_server.py FAULT REQUESTS. Prints its endpoint. The fault starts, or its half time is, after this many REQUESTS.
"""
import sys
import time

import zmq

fault, half = sys.argv[1], int(sys.argv[2])
router = zmq.Context().socket(zmq.ROUTER)
print(f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}", flush=True)
began = None
number = 0
while True:
    frames = router.recv_multipart()
    number += 1
    began = began or time.monotonic()
    delay = 0.002
    if fault == "slows-3":
        delay *= 1 + 0.03 * (time.monotonic() - began)
    if fault == "slower-half" and number > half * 2:
        delay *= 1.5
    time.sleep(delay)
    if fault == "stall" and number == half:
        time.sleep(0.3)
    if fault == "die" and number == half * 2:
        sys.exit(0)
    nth = number % 1000 == 500
    if fault == "damage" and nth:
        frames[-1] = frames[-1][:-1] + bytes([frames[-1][-1] ^ 0xFF])
    if not (fault == "lose" and nth):
        router.send_multipart(frames)
    if fault == "double" and nth:
        router.send_multipart(frames)
