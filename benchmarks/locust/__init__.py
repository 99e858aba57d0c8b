"""Locust scenarios: who calls what, on which face, for which tenant.

    python -m locust -f benchmarks/locust/mixed.py --host http://127.0.0.1:8000 --grpc-address 127.0.0.1:8001

`callers.py` is what the users share; `grpc_face.py`, `http_face.py` and `mixed.py` are locustfiles.
benchmarks/traffic.py runs them headless, against a stack of its own.
"""
