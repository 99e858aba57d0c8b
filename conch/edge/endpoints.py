"""Which Tritons get calls: files that Envoy reads again when they change (EDS), one for each of Triton's faces.

Servers that are told by name are left to their name: one may stand for several.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from conch.edge import discovery
from conch.edge.clusters import Target, cluster_name, endpoints_of, load_assignment
from conch.edge.discovery import type_url
from conch.edge.files import EdgeFiles
from conch.edge.settings import Address, Upstreams


def endpoint_files(files: EdgeFiles, upstreams: Upstreams) -> Mapping[Target, Path]:
    """By the faces whose servers stand in files of their own."""
    if not all(triton.grpc.is_ip and triton.http.is_ip for triton in upstreams.tritons):
        return {}
    return {Target.TRITON_GRPC: files.triton_grpc, Target.TRITON_HTTP: files.triton_http}


def publish_endpoints(files: EdgeFiles, upstreams: Upstreams, leaving: Collection[Address]) -> bool:
    """`leaving` are addresses of either face; calls that run there go on. True if it said news."""
    changed = False
    for target, path in endpoint_files(files, upstreams).items():
        assignment = load_assignment(cluster_name(target), endpoints_of(target, upstreams), leaving)
        typed = {"@type": type_url("envoy.config.endpoint.v3.ClusterLoadAssignment"), **assignment}
        changed |= discovery.publish(path, [typed])
    return changed
