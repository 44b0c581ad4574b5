"""/api/v1/_openapi: the description of every resource, for who has signed in."""

from __future__ import annotations

from typing import Any

from flask import abort
from flask_appbuilder.api import expose
from flask_appbuilder.api.manager import OpenApi
from flask_login import current_user


class DescriptionApi(OpenApi):
    """FAB's description, asking for an account instead of a permission."""

    @expose("/<version>/_openapi")
    def get(self, version: str) -> Any:
        """Describe the resources of a version (OpenAPI 3)."""
        if not current_user.is_authenticated:
            abort(401)
        described = [view for view in self.appbuilder.baseviews if _is_resource(view, version)]
        if not described:
            abort(404)
        description = self._create_api_spec(version)
        for view in described:
            view.add_api_spec(description)
        return self.response(200, **description.to_dict())


def _is_resource(view: Any, version: str) -> bool:
    """Whether a view is a resource of this version; the description does not describe itself."""
    is_api = hasattr(view, "add_api_spec") and not isinstance(view, OpenApi)
    return is_api and view.version == version
