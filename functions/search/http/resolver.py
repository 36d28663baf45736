"""A resolver of Powertools that handles requests in several threads at once.

The library keeps the current request in attributes of classes and instances, because Lambda runs
one request at a time. The local server runs several.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.api_gateway import ResponseBuilder, Route


class _PerThread:
    """An attribute that has a value of its own in each thread, at first that of `default`."""

    def __init__(self, default: Callable[[], Any]) -> None:
        self._default = default
        self._local = threading.local()

    def __get__(self, instance: object, owner: type) -> Any:
        if not hasattr(self._local, "value"):
            self._local.value = self._default()
        return self._local.value

    def __set__(self, instance: object, value: Any) -> None:
        self._local.value = value


class ConcurrentResolver(APIGatewayRestResolver):
    """The resolver of a REST API; may be used from several threads."""

    current_event: Any = _PerThread(lambda: None)
    lambda_context: Any = _PerThread(lambda: None)
    context: Any = _PerThread(dict)
    processed_stack_frames: Any = _PerThread(list)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._building = threading.Lock()

    def resolve(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        # The library sets both on a base class, where other threads replace them.
        self.current_event = self._to_proxy_event(dict(event))
        self.lambda_context = context
        return super().resolve(event, context)

    def _call_route(self, route: Route, route_arguments: dict[str, str]) -> ResponseBuilder[Any]:
        # The first request of a route builds its middlewares, a second thread would add them again.
        with self._building:
            if not route._middleware_stack_built:
                route._build_middleware_stack(self._router_middlewares, self)
        return super()._call_route(route, route_arguments)
