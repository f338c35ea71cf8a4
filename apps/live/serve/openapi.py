"""Operations of the server, from which its routes and its OpenAPI document are made."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from visus.apps.live.serve.answers import RequestError

Schema = Mapping[str, Any]
"""A JSON schema."""

STRING: Schema = {"type": "string"}
OBJECT: Schema = {"type": "object"}


@dataclass(frozen=True)
class Parameter:
    """A parameter in the query of a request.

    Attributes:
        name: Its name.
        description: What it does.
        schema: Of its value.
        required: Whether it must be given.
    """

    name: str
    description: str
    schema: Schema = field(default_factory=lambda: STRING)
    required: bool = False


@dataclass(frozen=True)
class Operation:
    """A method of a path.

    Attributes:
        method: Such as GET.
        path: Such as `/predict`.
        summary: What it does, in one line.
        handler: Answers a request.
        parameters: Those of the query; others are refused.
        body: Schemas of the body by media type.
        answer: Media type and schema of the answer.
        refusals: Meanings of the statuses other than 200.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[Request], Awaitable[Response]]
    parameters: Sequence[Parameter] = ()
    body: Mapping[str, Schema] = field(default_factory=dict)
    answer: tuple[str, Schema] = ("application/json", OBJECT)
    refusals: Mapping[int, str] = field(default_factory=dict)

    def route(self) -> Route:
        """The route of this operation."""
        names = {parameter.name for parameter in self.parameters}
        required = [parameter.name for parameter in self.parameters if parameter.required]

        async def answer(request: Request) -> Response:
            unknown = sorted(set(request.query_params) - names)
            missing = [name for name in required if name not in request.query_params]
            if unknown or missing:
                problem = f"unknown parameter {unknown[0]!r:.100}" if unknown else "a missing one"
                known = f"{self.path} takes {', '.join(sorted(names)) or 'none'}"
                raise RequestError(HTTPStatus.BAD_REQUEST, f"{problem}; {known}")
            return await self.handler(request)

        return Route(self.path, answer, methods=[self.method])

    def describe(self) -> dict[str, Any]:
        """The operation in the OpenAPI document."""
        media_type, schema = self.answer
        described: dict[str, Any] = {
            "summary": self.summary,
            "responses": {
                "200": {"description": "OK", "content": {media_type: {"schema": schema}}},
                **{
                    str(status): {
                        "description": meaning,
                        "content": {"application/json": {"schema": _REFUSAL}},
                    }
                    for status, meaning in self.refusals.items()
                },
            },
        }
        if self.parameters:
            described["parameters"] = [
                {
                    "name": each.name,
                    "in": "query",
                    "description": each.description,
                    "required": each.required,
                    "schema": each.schema,
                }
                for each in self.parameters
            ]
        if self.body:
            content = {kind: {"schema": schema} for kind, schema in self.body.items()}
            described["requestBody"] = {"required": True, "content": content}
        return described


_REFUSAL: Schema = {
    "type": "object",
    "properties": {"error": {"type": "string", "description": "The reason and the remedy"}},
    "required": ["error"],
}


def openapi(operations: Sequence[Operation], token: bool) -> dict[str, Any]:
    """The OpenAPI document.

    Args:
        operations: All operations.
        token: Whether requests need a token.
    """
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = each.describe()
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "visus", "version": version("visus")},
        "paths": paths,
    }
    if token:
        document["components"] = {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}
        }
        document["security"] = [{"token": []}]
    return document
