"""A type of Data Objects, which only Braze's dashboard can create."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_sandbox.model.objects import DataObjectType

if TYPE_CHECKING:
    from braze_sandbox.testing import Sandbox


def add_accounts(sandbox: Sandbox) -> DataObjectType:
    """Add the type `account` to the workspace and return it."""
    fields = {"name": "string", "credits": "number", "since": "time", "active": "boolean", "tags": "array"}
    kind = DataObjectType(
        name="account",
        fields=fields,
        user_relationships={"account_user": {"role": "string"}},
        object_relationships={("subaccount", "account"): {"share": "number"}},
    )
    sandbox.workspace.data_objects["account"] = kind
    return kind
