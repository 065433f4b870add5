"""circusd, the process manager, with its ROUTER at an endpoint: circus.py FRONTEND"""

import os
import sys
import tempfile

with tempfile.NamedTemporaryFile("w", suffix=".ini", delete=False) as ini:
    others = "tcp://127.0.0.1:0"
    ini.write(f"[circus]\nendpoint = {sys.argv[1]}\npubsub_endpoint = {others}\n")
os.execlp("python3", "python3", "-m", "circus.circusd", ini.name)
