"""What in new .proto files breaks a caller, or a stored message, of the published ones.

Adding is free: messages, fields, enum values, services, methods. What was published stays, under its number and with
its type; it may move to another file of its package.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet


def breaks(published: FileDescriptorSet, current: FileDescriptorSet) -> list[str]:
    """One sentence for each break, in the order of the published files."""
    now = {element.key: element for element in _elements(current)}
    found = []
    for was in _elements(published):
        element = now.get(was.key)
        if element is None:
            found.append(f"{was} is gone")
        else:
            found += [
                f"{was}: {trait} was {was.traits[trait]}, is {element.traits[trait]}"
                for trait in was.traits
                if was.traits[trait] != element.traits[trait]
            ]
    return found


@dataclass(frozen=True, slots=True)
class _Element:
    """Something published, and what of it must stay."""

    kind: str
    key: str
    """What it is found by again: names, and the number of a field."""
    name: str
    traits: dict[str, object]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def _elements(files: FileDescriptorSet) -> Iterator[_Element]:
    for file in files.file:
        for message in file.message_type:
            yield from _message(f"{file.package}.{message.name}", message)
        for enum in file.enum_type:
            yield from _enum(f"{file.package}.{enum.name}", enum)
        for service in file.service:
            path = f"{file.package}.{service.name}"
            yield _Element("service", f"service {path}", path, {})
            for method in service.method:
                name = f"{path}.{method.name}"
                traits: dict[str, object] = {
                    "its request": method.input_type,
                    "its reply": method.output_type,
                    "a stream of requests": method.client_streaming,
                    "a stream of replies": method.server_streaming,
                }
                yield _Element("method", f"method {name}", name, traits)


def _message(path: str, message: DescriptorProto) -> Iterator[_Element]:
    yield _Element("message", f"message {path}", path, {})
    for field in message.field:
        yield _field(path, field, [oneof.name for oneof in message.oneof_decl])
    for span in message.reserved_range:
        for number in range(span.start, min(span.end, span.start + _MANY)):
            yield _Element("reserved number", f"reserved {path} {number}", f"{number} of {path}", {})
    for nested in message.nested_type:
        yield from _message(f"{path}.{nested.name}", nested)
    for enum in message.enum_type:
        yield from _enum(f"{path}.{enum.name}", enum)


_MANY = 1000
"""Of a span that is reserved to its end, the first numbers stand for all."""


def _field(path: str, field: FieldDescriptorProto, oneofs: Sequence[str]) -> _Element:
    traits: dict[str, object] = {
        "its name": field.name,
        "its JSON name": field.json_name,
        "its type": FieldDescriptorProto.Type.Name(field.type),
        "its message or enum": field.type_name,
        "its label": FieldDescriptorProto.Label.Name(field.label),
        "optional": field.proto3_optional,
        "its oneof": oneofs[field.oneof_index] if field.HasField("oneof_index") and not field.proto3_optional else None,
    }
    return _Element("field", f"field {path} {field.number}", f"{path}.{field.name} = {field.number}", traits)


def _enum(path: str, enum: EnumDescriptorProto) -> Iterator[_Element]:
    yield _Element("enum", f"enum {path}", path, {})
    for value in enum.value:
        name = f"{path}.{value.name}"
        yield _Element("enum value", f"value {name}", name, {"its number": value.number})
