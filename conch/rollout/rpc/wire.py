"""Models, actions and differences as messages."""

import json

from conch.contracts.pb.models.v1 import models_pb2 as pb
from conch.rollout.differences import Comparison
from conch.rollout.journal import Line
from conch.rollout.lineage import Lineage
from conch.rollout.quarantine import QuarantinedVersion
from conch.rollout.shown import ShownModel


def to_model(model: ShownModel) -> pb.Model:
    record = model.record
    versions = [
        pb.Version(number=one.number, published=one.published, lineage=to_lineage(one.lineage))
        for one in model.versions
    ]
    refused = [to_refused(one) for one in model.refused]
    if record is None:
        return pb.Model(name=model.name, refused=refused)
    return pb.Model(
        name=record.model,
        champion=record.champion,
        serving=record.serving,
        versions=versions,
        aliases=record.aliases,
        generation=record.generation,
        refused=refused,
    )


def to_lineage(lineage: Lineage | None) -> pb.Lineage | None:
    if lineage is None:
        return None
    return pb.Lineage(data=lineage.data, code=lineage.code, parent=lineage.parent, metrics=lineage.metrics)


def to_refused(refused: QuarantinedVersion) -> pb.Refused:
    return pb.Refused(version=refused.version, reason=refused.reason, at=refused.at)


def to_action(line: Line) -> pb.Action:
    evidence = json.dumps(line.evidence, ensure_ascii=False)
    return pb.Action(at=line.at, action=line.action, model=line.model, version=line.version or 0, evidence=evidence)


def to_diff(comparison: Comparison) -> pb.DiffReply:
    differences = [
        pb.Difference(kind=one.kind, name=one.name, before=one.before, after=one.after)
        for one in comparison.differences
    ]
    return pb.DiffReply(from_version=comparison.before, to_version=comparison.after, differences=differences)
