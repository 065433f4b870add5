"""A Majordomo 0.2 broker with a worker for the service "echo", which sends each request back in three parts:
majordomo.py FRONTEND"""

import sys
import threading

from majortomo.broker import Broker
from majortomo.worker import Worker


def work():
    worker = Worker(sys.argv[1], "echo")
    worker.connect()
    while True:
        client, request = worker.wait_for_request()
        worker.send_reply_partial(client, request)
        worker.send_reply_partial(client, request)
        worker.send_reply_final(client, request)


threading.Thread(target=work, daemon=True).start()
Broker(bind=sys.argv[1]).run()
